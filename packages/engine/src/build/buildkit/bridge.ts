import { SlipwayError } from '@slipway/base';
import { normalizePlatform } from '@slipway/oci';
import type { BuildKitContext } from './context.ts';
import { worker } from './control.ts';
import { ReturnedStatus } from './errors.ts';
import { type FrontendResult, runFrontend } from './frontend.ts';
import { parseFrontendOptions } from './frontend-options.ts';
import type { BuiltRef, Job } from './job.ts';
import { definitionOf, linkedImages } from './linked.ts';

/** What this door does of the gateway's capabilities. @see https://github.com/moby/buildkit/blob/master/frontend/gateway/pb/caps.go */
const GATEWAY_CAPABILITIES = [
  'solve.base',
  'resolveimage',
  'resolveimage.resolvemode',
  'return',
  'returnmap',
  'reference.output',
  'proto.refarray',
  'frontend.inputs',
  'gateway.solve.metadata',
  'frontend.caps',
  'gateway.solve.evaluate',
  'gateway.evaluate',
  'gateway.warnings',
];

/** Of LLB only what clients look for before they ask for a build with a Dockerfile. */
const LLB_CAPABILITIES = [
  'source.image',
  'source.local',
  'file.base',
  'exporter.multiple',
  'exporter.image.attestations',
];

const capability = (ID: string): object => ({ ID, Enabled: true });

export const pong = (context: BuildKitContext): object => ({
  FrontendAPICaps: GATEWAY_CAPABILITIES.map(capability),
  LLBCaps: LLB_CAPABILITIES.map(capability),
  Workers: [worker(context)],
});

interface BridgeSolveRequest {
  readonly Frontend: string;
  readonly FrontendOpt: Readonly<Record<string, string>>;
  readonly FrontendInputs: Parameters<typeof linkedImages>[1];
  readonly Definition: { readonly def: readonly Uint8Array[] } | null;
}

/** Runs the Dockerfile frontend for a client that drives the build itself. @throws NotImplemented for LLB */
export async function bridgeSolve(
  context: BuildKitContext,
  job: Job,
  request: BridgeSolveRequest,
): Promise<object> {
  const { Frontend: frontend, FrontendOpt, Definition } = request;
  if (frontend === '' && (Definition?.def.length ?? 0) === 0) return { result: {} };
  if (frontend !== 'dockerfile.v0') {
    throw new SlipwayError(
      'NotImplemented',
      frontend === ''
        ? 'builds from LLB are not supported: build a Dockerfile'
        : `frontend ${frontend} is not supported: use dockerfile.v0`,
    );
  }
  const session = await context.sessions.get(job.sessionId, job);
  return {
    result: toWireResult(
      await runFrontend(
        context,
        job,
        session,
        parseFrontendOptions(FrontendOpt, await linkedImages(context, request.FrontendInputs)),
      ),
    ),
  };
}

function toWireResult({ refs, metadata }: FrontendResult): object {
  const single = refs.get('');
  if (single !== undefined) return { ref: { id: single.id, def: definitionOf(single.id) }, metadata };
  if (refs.size === 0) return { metadata };
  return { refs: { refs: Object.fromEntries([...refs].map(([name, { id }]) => [name, { id }])) }, metadata };
}

interface ReturnRequest {
  readonly result: {
    readonly refDeprecated?: string;
    readonly ref?: { readonly id: string };
    readonly refs?: { readonly refs: Readonly<Record<string, { readonly id: string }>> };
  } | null;
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly details: readonly object[];
  } | null;
}

/** The client is done: this is what to export, or why there is nothing. */
export function bridgeReturn(job: Job, { result, error }: ReturnRequest): object {
  if (error !== null && error.code !== 0) {
    job.fail(new ReturnedStatus(error));
    return {};
  }
  const single = result?.ref?.id ?? result?.refDeprecated ?? '';
  const named = Object.entries(result?.refs?.refs ?? {}).map(
    ([name, { id }]) => [name, job.ref(id)] as const,
  );
  job.return(new Map<string, BuiltRef>(single === '' ? named : [['', job.ref(single)]]));
  return {};
}

/** An image's configuration, for a client that plans by itself. */
export async function resolveImageConfig(
  { builds, platform, sessions }: BuildKitContext,
  job: Job,
  request: {
    readonly Ref: string;
    readonly Platform: {
      readonly OS: string;
      readonly Architecture: string;
      readonly Variant: string;
    } | null;
    readonly ResolveMode: string;
  },
): Promise<object> {
  const { Ref: reference, Platform: wanted, ResolveMode } = request;
  const { manifest, config } = await builds.resolveImage(reference, {
    platform:
      wanted === null
        ? platform
        : normalizePlatform({
            os: wanted.OS,
            architecture: wanted.Architecture,
            ...(wanted.Variant === '' ? {} : { variant: wanted.Variant }),
          }),
    pull: ResolveMode === 'pull',
    session: await sessions.get(job.sessionId, job),
    signal: job.signal,
  });
  return { Digest: manifest.digest, Config: Buffer.from(JSON.stringify(config)), Ref: reference };
}
