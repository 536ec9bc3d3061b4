import protobuf from 'protobufjs';

/**
 * The messages of BuildKit's API that pass this door, with the field numbers of its public definitions; fields that
 * nobody here reads are left out, as protobuf allows.
 * @see https://github.com/moby/buildkit/tree/master/api/services/control
 * @see https://github.com/moby/buildkit/tree/master/frontend/gateway/pb
 * @see https://github.com/moby/buildkit/tree/master/session
 * @see https://github.com/containerd/containerd/tree/main/api/services/content/v1
 */
const DEFINITIONS = `
syntax = "proto3";

message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Empty {}
message BytesMessage { bytes data = 1; }

message Platform { string Architecture = 1; string OS = 2; string Variant = 3; string OSVersion = 4; }
message Input { string digest = 1; int64 index = 2; }
message SourceOp { string identifier = 1; map<string, string> attrs = 2; }
message Op { repeated Input inputs = 1; SourceOp source = 3; Platform platform = 10; }
message OpMetadata { map<string, string> description = 2; }
message Definition { repeated bytes def = 1; map<string, OpMetadata> metadata = 2; }
message Position { int32 line = 1; int32 character = 2; }
message Range { Position start = 1; Position end = 2; }
message SourceInfo { string filename = 1; bytes data = 2; string language = 4; }
message ErrorSource { SourceInfo info = 1; repeated Range ranges = 2; }

message Any { string type_url = 1; bytes value = 2; }
message Status { int32 code = 1; string message = 2; repeated Any details = 3; }

message APICap { string ID = 1; bool Enabled = 2; }
message GCPolicy { bool all = 1; int64 keepDuration = 2; }
message BuildkitVersion { string package = 1; string version = 2; string revision = 3; }
message WorkerRecord {
  string ID = 1;
  map<string, string> Labels = 2;
  repeated Platform platforms = 3;
  repeated GCPolicy GCPolicy = 4;
  BuildkitVersion BuildkitVersion = 5;
}
message ListWorkersResponse { repeated WorkerRecord record = 1; }
message InfoResponse { BuildkitVersion buildkitVersion = 1; }

message PruneRequest {
  repeated string filter = 1;
  bool all = 2;
  int64 keepDuration = 3;
  int64 reservedSpace = 4;
  int64 maxUsedSpace = 5;
}
message DiskUsageRequest { repeated string filter = 1; }
message DiskUsageResponse { repeated UsageRecord record = 1; }
message UsageRecord {
  string ID = 1;
  bool Mutable = 2;
  bool InUse = 3;
  int64 Size = 4;
  Timestamp CreatedAt = 6;
  Timestamp LastUsedAt = 7;
  int64 UsageCount = 8;
  string Description = 9;
  string RecordType = 10;
  bool Shared = 11;
  repeated string Parents = 12;
}

message CacheOptionsEntry { string Type = 1; map<string, string> Attrs = 2; }
message CacheOptions {
  repeated CacheOptionsEntry Exports = 4;
  repeated CacheOptionsEntry Imports = 5;
}
message Exporter { string Type = 1; map<string, string> Attrs = 2; }
message ControlSolveRequest {
  string Ref = 1;
  Definition Definition = 2;
  string Exporter = 3;
  map<string, string> ExporterAttrs = 4;
  string Session = 5;
  string Frontend = 6;
  map<string, string> FrontendAttrs = 7;
  CacheOptions Cache = 8;
  repeated string Entitlements = 9;
  map<string, Definition> FrontendInputs = 10;
  bool Internal = 11;
  repeated Exporter Exporters = 13;
}
message ControlSolveResponse { map<string, string> ExporterResponse = 1; }

message StatusRequest { string Ref = 1; }
message StatusResponse {
  repeated Vertex vertexes = 1;
  repeated VertexStatus statuses = 2;
  repeated VertexLog logs = 3;
  repeated VertexWarning warnings = 4;
}
message Vertex {
  string digest = 1;
  repeated string inputs = 2;
  string name = 3;
  bool cached = 4;
  Timestamp started = 5;
  Timestamp completed = 6;
  string error = 7;
}
message VertexStatus {
  string ID = 1;
  string vertex = 2;
  string name = 3;
  int64 current = 4;
  int64 total = 5;
  Timestamp timestamp = 6;
  Timestamp started = 7;
  Timestamp completed = 8;
}
message VertexLog { string vertex = 1; Timestamp timestamp = 2; int64 stream = 3; bytes msg = 4; }
message VertexWarning {
  string vertex = 1;
  int64 level = 2;
  bytes short = 3;
  repeated bytes detail = 4;
  string url = 5;
  SourceInfo info = 6;
  repeated Range ranges = 7;
}

message BuildHistoryRequest { bool ActiveOnly = 1; string Ref = 2; bool EarlyExit = 3; repeated string Filter = 4; int32 Limit = 5; }
message BuildHistoryEvent { int32 type = 1; BuildHistoryRecord record = 2; }
message BuildHistoryRecord {
  string Ref = 1;
  string Frontend = 2;
  map<string, string> FrontendAttrs = 3;
  repeated Exporter Exporters = 4;
  Status error = 5;
  Timestamp CreatedAt = 6;
  Timestamp CompletedAt = 7;
  map<string, string> ExporterResponse = 9;
  int32 numCachedSteps = 15;
  int32 numTotalSteps = 16;
  int32 numCompletedSteps = 17;
}
message UpdateBuildHistoryRequest { string Ref = 1; bool Pinned = 2; bool Delete = 3; }

message PongResponse {
  repeated APICap FrontendAPICaps = 1;
  repeated APICap LLBCaps = 2;
  repeated WorkerRecord Workers = 3;
}
message Ref { string id = 1; Definition def = 2; }
message RefMap { map<string, Ref> refs = 1; }
message Result {
  oneof result { string refDeprecated = 1; Ref ref = 3; RefMap refs = 4; }
  map<string, bytes> metadata = 10;
}
message BridgeSolveRequest {
  Definition Definition = 1;
  string Frontend = 2;
  map<string, string> FrontendOpt = 3;
  bool allowResultReturn = 5;
  bool allowResultArrayRef = 6;
  repeated CacheOptionsEntry CacheImports = 12;
  map<string, Definition> FrontendInputs = 13;
  bool Evaluate = 14;
}
message BridgeSolveResponse { string ref = 1; Result result = 3; }
message ReturnRequest { Result result = 1; Status error = 2; }
message InputsResponse { map<string, Definition> Definitions = 1; }
message ResolveImageConfigRequest { string Ref = 1; Platform Platform = 2; string ResolveMode = 3; }
message ResolveImageConfigResponse { string Digest = 1; bytes Config = 2; string Ref = 3; }
message EvaluateRequest { string Ref = 1; }

message Stat {
  string path = 1;
  uint32 mode = 2;
  uint32 uid = 3;
  uint32 gid = 4;
  int64 size = 5;
  int64 modTime = 6;
  string linkname = 7;
  int64 devmajor = 8;
  int64 devminor = 9;
  map<string, bytes> xattrs = 10;
}
message Packet { int32 type = 1; Stat stat = 2; uint32 ID = 3; bytes data = 4; }

message CredentialsRequest { string Host = 1; }
message CredentialsResponse { string Username = 1; string Secret = 2; }
message GetSecretRequest { string ID = 1; }
message GetSecretResponse { bytes data = 1; }
message CheckAgentRequest { string ID = 1; }

message InfoRequest { string digest = 1; }
message ContentInfo { string digest = 1; int64 size = 2; }
message ContentInfoResponse { ContentInfo info = 1; }
message ReadContentRequest { string digest = 1; int64 offset = 2; int64 size = 3; }
message ReadContentResponse { int64 offset = 1; bytes data = 2; }
message WriteContentRequest {
  int32 action = 1;
  string ref = 2;
  int64 total = 3;
  string expected = 4;
  int64 offset = 5;
  bytes data = 6;
}
message WriteContentResponse { int32 action = 1; int64 offset = 4; int64 total = 5; string digest = 6; }
`;

const { root } = protobuf.parse(DEFINITIONS, new protobuf.Root(), { keepCase: true });

/** A message's two ways over the wire. Fields of a decoded one are there always; 64-bit numbers are numbers. */
export interface MessageType {
  encode(message: object): Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: what comes is described by DEFINITIONS, which types cannot follow
  decode(bytes: Uint8Array): any;
}

const types = new Map<string, MessageType>();

/** The message of this name in DEFINITIONS. */
export function messageType(name: string): MessageType {
  let found = types.get(name);
  if (found === undefined) {
    const type = root.lookupType(name);
    found = {
      encode: (message) => Buffer.from(type.encode(type.fromObject(message)).finish()),
      decode: (bytes) => type.toObject(type.decode(bytes), { longs: Number, defaults: true }),
    };
    types.set(name, found);
  }
  return found;
}

/** A protobuf timestamp of milliseconds since the epoch; undefined stays so. */
export const timestamp = (ms: number | undefined) =>
  ms === undefined
    ? undefined
    : { seconds: Math.floor(ms / 1000), nanos: Math.round((ms - Math.floor(ms / 1000) * 1000) * 1_000_000) };
