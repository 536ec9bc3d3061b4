import type { BuildSession, ContextSource } from '@slipway/build';
import type { ClassicRequest } from './request.ts';

/** A build whose context is here and whose Dockerfile can be read. */
export interface PreparedBuild extends AsyncDisposable {
  readonly request: ClassicRequest;
  readonly dockerfile: string;
  readonly context: ContextSource;
  readonly session: BuildSession;
}
