"""Feast's Redis store, connected by URL: a unix socket, TLS and a password work, which ``host:port`` has no words for.

Feast finds the class and its configuration here by name. Both are made when first asked for, because they derive from
Feast's, whose import takes seconds.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

TYPE = "forge_resources.feature_store.redis_store.ForgeRedisOnlineStore"


@cache
def _classes() -> dict[str, type]:
    from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig

    class ForgeRedisOnlineStoreConfig(RedisOnlineStoreConfig):
        """``connection_string`` is a URL: ``unix:///path?db=0``, ``redis://…`` or ``rediss://…``."""

        type: Literal["forge_resources.feature_store.redis_store.ForgeRedisOnlineStore"] = TYPE  # type: ignore

    class ForgeRedisOnlineStore(RedisOnlineStore):
        """Differs from Feast's in how it connects, and in nothing else."""

        def _get_client(self, online_store_config: Any) -> Any:
            import redis

            if not self._client:
                self._client = redis.Redis.from_url(online_store_config.connection_string)
            return self._client

        async def _get_client_async(self, online_store_config: Any) -> Any:
            from redis import asyncio

            if not self._client_async:
                self._client_async = asyncio.Redis.from_url(online_store_config.connection_string)
            return self._client_async

    return {c.__name__: c for c in (ForgeRedisOnlineStoreConfig, ForgeRedisOnlineStore)}


def __getattr__(name: str) -> type:
    if name.startswith("ForgeRedis") and name in (classes := _classes()):
        return classes[name]
    raise AttributeError(name)
