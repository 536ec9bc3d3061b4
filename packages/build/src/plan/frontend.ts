import { type Dockerfile, DockerfileError } from '@slipway/dockerfile';
import { fullName } from './sources.ts';

/** Whose files the frontend here reads, whatever their tag. */
const OWN = /^docker\.io\/docker\/dockerfile(?:-upstream)?[:@]/;

/**
 * Refuses a Dockerfile that another frontend is to read: those are images that run beside a builder, and none is run here.
 * @throws DockerfileError
 * @see https://docs.docker.com/build/buildkit/frontend/
 */
export function checkFrontend(dockerfile: Dockerfile, buildArgs: ReadonlyMap<string, string>): void {
  const syntax = buildArgs.get('BUILDKIT_SYNTAX') ?? dockerfile.directives.get('syntax');
  if (syntax === undefined || syntax === '') return;
  // What follows the image are arguments of the frontend's.
  const [image = ''] = syntax.trim().split(/\s+/);
  if (OWN.test(fullName(image) ?? '')) return;
  throw new DockerfileError(
    `syntax "${image}" is not supported: other frontends than docker/dockerfile are not run here; take the line "# syntax=" away, or write docker/dockerfile:1, to have the file read as one of the current Dockerfile syntax`,
    { ranges: [], file: dockerfile },
  );
}
