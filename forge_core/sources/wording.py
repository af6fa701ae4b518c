"""How Takeout words activities in twelve languages, and what its products are called there.

``{}`` is what the activity is about. Evidenced by public parsers or their samples: all that was watched, but for
Chinese; searches in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Japanese; visits in
English and German; the names of products in English, Dutch, German, Spanish, Arabic, Turkish and Chinese. The rest
is general knowledge of these languages. Chinese exports have English titles with Chinese dates, Portuguese ones may.
What is worded otherwise is set aside as "unknown wording"; only a search whose link repeats the query needs no words.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

WATCHED, SEARCHED, VISITED, USED, OTHER = "watched", "searched", "visited", "used", "other"


class Wording(NamedTuple):
    """How one language words activities; ``other`` are known ones that are no event of the contract."""

    watched: tuple[str, ...]
    searched: tuple[str, ...]
    visited: tuple[str, ...]
    used: tuple[str, ...]
    other: tuple[str, ...]


LANGUAGES = {
    "en": Wording(
        ("Watched {}",),
        ("Searched for {}", "Searched {}", "Said {}", "Asked {}"),
        ("Visited {}",),
        ("Used {}",),
        (
            "Viewed {}", "Liked {}", "Disliked {}", "Subscribed to {}", "Saved {}", "Voted on {}", "Answered {}",
            "Dismissed {}", "Played {}", "Shared {}", "Commented on {}", "Read {}", "Received {}", "Clicked {}",
            "Joined {}", "Removed {}", "Added {}", "Created {}", "Followed {}", "Hid {}", "Reported {}",
        ),
    ),
    "de": Wording(
        ("{} angesehen", "Angesehen: {}"),
        ("Gesucht nach: {}", "Gesucht nach {}", "Nach {} gesucht", "Gesagt: {}"),
        ("Besucht: {}", "{} besucht", "{} aufgerufen"),
        ("{} verwendet", "Verwendet: {}", "{} genutzt"),
        ("{} positiv bewertet", "{} negativ bewertet", "{} abonniert", "{} gespeichert", "{} aufgenommen"),
    ),
    "fr": Wording(
        ("Vous avez regardé {}",),
        ("Vous avez recherché {}", "Vous avez dit {}"),
        ("Vous avez consulté {}", "Vous avez visité {}"),
        ("Vous avez utilisé {}",),
        ("Vous avez aimé {}", "Vous n'avez pas aimé {}", "Vous vous êtes abonné à {}", "Vous avez enregistré {}",
         "Vous avez vu {}"),
    ),
    "es": Wording(
        ("Has visto {}", "Viste {}"),
        ("Has buscado {}", "Buscaste {}", "Has dicho {}", "Dijiste {}"),
        ("Has visitado {}", "Visitaste {}"),
        ("Has usado {}", "Has utilizado {}", "Usaste {}"),
        ("Te ha gustado {}", "Te gustó {}", "No te ha gustado {}", "Te has suscrito a {}", "Te suscribiste a {}",
         "Has guardado {}", "Guardaste {}"),
    ),
    "pt": Wording(
        ("Assistiu a {}", "Você assistiu a {}", "Assistiu {}"),
        ("Pesquisou por {}", "Você pesquisou por {}", "Você pesquisou {}", "Pesquisou {}", "Disse {}"),
        ("Visitou {}", "Você visitou {}", "Acessou {}", "Você acessou {}"),
        ("Usou {}", "Você usou {}", "Utilizou {}"),
        ("Gostou de {}", "Não gostou de {}", "Inscreveu-se em {}", "Salvou {}", "Guardou {}", "Visualizou {}"),
    ),
    "it": Wording(
        ("Hai guardato {}",),
        ("Hai cercato {}", "Hai detto {}"),
        ("Hai visitato {}",),
        ("Hai usato {}", "Hai utilizzato {}"),
        ("Hai visualizzato {}", "Hai messo Mi piace a {}", "Ti è piaciuto {}", "Ti sei iscritto a {}",
         "Hai salvato {}"),
    ),
    "nl": Wording(
        ("Je hebt naar {} gekeken", "Je hebt {} bekeken", "{} bekeken"),
        ("Je hebt gezocht naar {}", "Je hebt naar {} gezocht", "Gezocht naar {}", "Je hebt {} gezegd"),
        ("Je hebt {} bezocht", "{} bezocht"),
        ("Je hebt {} gebruikt", "{} gebruikt"),
        ("Je vindt {} leuk", "Je vond {} leuk", "Je hebt je geabonneerd op {}", "Je hebt {} opgeslagen"),
    ),
    "pl": Wording(
        ("Obejrzano: {}", "Obejrzano {}"),
        ("Wyszukano: {}", "Wyszukano {}", "Powiedziano: {}"),
        ("Odwiedzono: {}", "Odwiedzono stronę {}", "Odwiedzono {}"),
        ("Używano: {}", "Użyto: {}", "Użyto aplikacji {}", "Używano {}"),
        ("Wyświetlono: {}", "Polubiono: {}", "Zasubskrybowano: {}", "Zapisano: {}"),
    ),
    "tr": Wording(
        ("{} adlı videoyu izlediniz", "{} videosunu izlediniz", "İzlenen video: {}", "Yeniden izlenen video: {}"),
        ("{} için arama yaptınız", "{} araması yaptınız", "{} arandı", "Aranan: {}", "{} dediniz"),
        ("{} sayfasını ziyaret ettiniz", "{} sitesini ziyaret ettiniz", "{} ziyaret edildi", "Ziyaret edilen: {}"),
        ("{} uygulamasını kullandınız", "{} kullanıldı", "Kullanılan: {}"),
        ("{} adlı videoyu beğendiniz", "{} kanalına abone oldunuz", "{} görüntülendi"),
    ),
    "ja": Wording(
        ("{} を視聴しました",),
        ("「{}」を検索しました", "{} を検索しました", "{} と言いました"),
        ("{} にアクセスしました", "{} を閲覧しました"),
        ("{} を使用しました", "{} を利用しました"),
        ("{} を高く評価しました", "{} を低く評価しました", "{} を表示しました", "{} を保存しました"),
    ),
    "ar": Wording(
        ("تمت مشاهدة {} .", "تمت مشاهدة {}", "لقد شاهدت {}", "شاهدت {}"),
        ("تم البحث عن {} .", "تم البحث عن {}", "لقد بحثت عن {}", "بحثت عن {}"),
        ("تمت زيارة {} .", "تمت زيارة {}", "لقد زرت {}"),
        ("تم استخدام {} .", "تم استخدام {}", "لقد استخدمت {}"),
        ("تم عرض {}", "تم الإعجاب بـ {}", "تم الاشتراك في {}", "تم حفظ {}"),
    ),
    "zh_Hans": Wording(
        ("观看了 {}", "已观看 {}", "{} 观看过"),
        ("搜索了 {}", "已搜索 {}", "搜索过 {}"),
        ("访问了 {}", "访问过 {}", "已访问 {}"),
        ("使用了 {}", "使用过 {}", "已使用 {}"),
        ("查看了 {}", "赞了 {}", "订阅了 {}", "保存了 {}"),
    ),
    "zh_Hant": Wording(
        ("觀看了 {}", "已觀看 {}", "{} 已觀看"),
        ("搜尋了 {}", "已搜尋 {}"),
        ("造訪了 {}", "已造訪 {}", "瀏覽了 {}"),
        ("使用了 {}", "已使用 {}"),
        ("查看了 {}", "對 {} 表示喜歡", "訂閱了 {}", "儲存了 {}"),
    ),
}  # fmt: skip
_UNSPACED = frozenset(("ja", "zh_Hans", "zh_Hant"))

# What a record's details or caption say when it is an advertisement.
_ADVERTISEMENTS = {
    "de": ("Google Anzeigen", "Google-Anzeigen"), "fr": ("annonces Google",), "es": ("anuncios de Google",),
    "pt": ("anúncios do Google",), "it": ("annunci Google",), "nl": ("Google-advertenties",),
    "pl": ("reklam Google",), "tr": ("Google Reklam",), "ja": ("Google 広告",), "ar": ("إعلانات Google",),
    "zh_Hans": ("Google 广告",), "zh_Hant": ("Google 廣告",),
}  # fmt: skip
UNTITLED = frozenset(("a video that has been removed", "a private video", "a deleted video"))

# The products whose names are translated, by their English names.
PRODUCTS = {
    "Search": (
        "Google Suche", "Suche", "Recherche", "Recherche Google", "Búsqueda", "Búsqueda de Google", "Buscador",
        "Pesquisa", "Pesquisa Google", "Ricerca", "Ricerca Google", "Zoeken", "Google Zoeken", "Wyszukiwarka",
        "Wyszukiwarka Google", "Wyszukiwanie", "Arama", "Google Arama", "検索", "Google 検索", "البحث", "بحث",
        "بحث Google", "搜索", "Google 搜索", "搜尋", "Google 搜尋",
    ),
    "Video Search": (
        "Videosuche", "Videosuchen", "Recherche de vidéos", "Recherche vidéo", "Búsqueda de vídeos",
        "Búsqueda de videos", "Pesquisa de vídeos", "Pesquisa de vídeo", "Ricerca video", "Video's zoeken",
        "Wyszukiwanie filmów", "Wyszukiwanie wideo", "Video Arama", "動画検索", "بحث الفيديو",
        "البحث عن الفيديو", "视频搜索", "影片搜尋",
    ),
    "Image Search": (
        "Bildersuche", "Recherche d'images", "Recherche d’images", "Búsqueda de imágenes", "Pesquisa de imagens",
        "Ricerca immagini", "Afbeeldingen zoeken", "Wyszukiwanie obrazów", "Görsel Arama", "画像検索",
        "البحث عن الصور", "بحث الصور", "图片搜索", "圖片搜尋",
    ),
    "Ads": (
        "Anzeigen", "Annonces", "Publicités", "Publicidad", "Anuncios", "Anúncios", "Annunci", "Advertenties",
        "Reklamy", "Reklamlar", "広告", "الإعلانات", "广告", "廣告",
    ),
    "Maps": ("Google Maps", "Google マップ", "マップ", "Mapas", "Mapy", "Haritalar", "خرائط Google", "地图",
             "Google 地图", "地圖", "Google 地圖"),
    "Google Play Store": ("Google Play ストア", "متجر Google Play", "Google Play 商店", "Sklep Google Play"),
    "Assistant": ("Google Assistant", "Assistente Google", "Asistente de Google", "Asystent Google", "Asistan",
                  "Google Asistan", "Google アシスタント", "مساعد Google", "Google 助理", "Google 智能助理"),
    "News": ("Nachrichten", "Actualités", "Noticias", "Notícias", "Notizie", "Nieuws", "Wiadomości", "Haberler",
             "ニュース", "الأخبار", "新闻", "新聞"),
    "Google News": ("Google Actualités", "Google Noticias", "Google Notícias", "Google Nieuws", "Google Haberler",
                    "Google ニュース", "أخبار Google", "أخبار جوجل", "Google 新闻", "Google 新聞"),
    "Discover": ("Entdecken", "Descubrir", "Descobrir", "Odkrywaj", "Keşfet", "اكتشف", "发现", "探索"),
    "Help": ("Hilfe", "Aide", "Ayuda", "Ajuda", "Guida", "Pomoc", "Yardım", "ヘルプ", "مساعدة", "帮助", "說明"),
}  # fmt: skip
_ENGLISH_NAMES = {name: product for product, names in PRODUCTS.items() for name in names}


def product(header: str) -> str:
    """The English name of a product, so that an activity is the same in any language."""
    return _ENGLISH_NAMES.get(header, header)


@cache
def templates(language: str) -> tuple[tuple[str, str, str], ...]:
    """(before, after, action) in the order to be tried: the longest first, those of English at the end."""
    found = []
    for action, texts in LANGUAGES[language]._asdict().items():
        for text in texts:
            before, _, after = text.partition("{}")
            if language in _UNSPACED:
                before, after = before.strip(), after.strip()
            found.append((before, after, action))
    found.sort(key=lambda one: -len(one[0] + one[1]))
    if language == "en":
        # almost all titles begin so
        found.sort(key=lambda one: (WATCHED, SEARCHED, VISITED, USED, OTHER).index(one[2]))
        return tuple(found)
    return (*found, *templates("en"))


@cache
def around_links(language: str) -> dict[tuple[str, str], str]:
    """{(words before the link, words after it): action}, for titles whose link is what they are about."""
    return {
        (before.strip(), after.strip()): action for before, after, action in reversed(templates(language))
    }


def advertisements(language: str) -> tuple[str, ...]:
    """What the details of an advertisement contain in this language."""
    return ("Google Ads", *_ADVERTISEMENTS.get(language, ()))
