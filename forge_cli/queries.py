"""The GraphQL texts of the client, apart from its code."""

from __future__ import annotations

# what becomes of an event of a run; the others are passed over
KINDS = {
    "ExecutionStepStartEvent": "started",
    "ExecutionStepSuccessEvent": "succeeded",
    "ExecutionStepFailureEvent": "failed",
    "ExecutionStepSkippedEvent": "skipped",
    "ExecutionStepUpForRetryEvent": "retrying",
    "MaterializationEvent": "materialized",
    "AssetCheckEvaluationEvent": "checked",
    "RunFailureEvent": "failed",
    "LogMessageEvent": "log",
}

REPOSITORIES = """{ repositoriesOrError { __typename
  ... on RepositoryConnection { nodes { name location { name } } }
  ... on PythonError { message } } }"""

GRAPH = "{ assetNodes { assetKey { path } dependencyKeys { path } opVersion } }"

CHECKS = """{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks {
  name blocking executionForLatestMaterialization { evaluation { success severity description } } } } } } }"""

PARTITIONS = "query Keys($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { partitionKeys } }"

ADD_PARTITION = """mutation Add($repository: RepositorySelector!, $name: String!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: $name, partitionKey: $key) {
    __typename ... on PythonError { message } ... on UnauthorizedError { message } } }"""

LAUNCH = """mutation Launch($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) { __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on InvalidSubsetError { message }
    ... on UnauthorizedError { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""

_ERROR = "error { message errorChain { error { message } } }"

LOG = f"""query Log($run: ID!, $cursor: String, $limit: Int) {{
  logsForRun(runId: $run, afterCursor: $cursor, limit: $limit) {{ __typename
    ... on EventConnection {{ cursor hasMore events {{ __typename
      ... on MessageEvent {{ timestamp stepKey message }}
      ... on ExecutionStepFailureEvent {{ {_ERROR} }}
      ... on RunFailureEvent {{ {_ERROR} }}
      ... on MaterializationEvent {{ assetKey {{ path }} metadataEntries {{ label
        ... on IntMetadataEntry {{ intValue }}
        ... on FloatMetadataEntry {{ floatValue }}
        ... on BoolMetadataEntry {{ boolValue }}
        ... on TextMetadataEntry {{ text }} }} }}
      ... on AssetCheckEvaluationEvent {{ evaluation {{
        checkName assetKey {{ path }} success severity description }} }} }} }} }}
  runOrError(runId: $run) {{ ... on Run {{ status executionPlan {{ steps {{ key }} }} }} }} }}"""

RUNS = """query Runs($filter: RunsFilter) { runsOrError(filter: $filter) {
  ... on Runs { results { runId jobName creationTime } } } }"""

TERMINATE = """mutation End($run: String!) { terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) {
  __typename } }"""
