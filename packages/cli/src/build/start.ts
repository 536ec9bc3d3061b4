import type { BuildMessage, BuildOptions } from '@slipway/client';
import type { Context } from '../command.ts';
import type { BuildContext } from './context.ts';
import { openSession } from './session.ts';

/** A build under way. */
export interface StartedBuild extends Disposable {
  readonly messages: AsyncGenerator<BuildMessage>;
}

/** Starts to build a context; until disposed this process gives the daemon what it asks for. */
export async function startBuild(
  context: Context,
  source: BuildContext,
  { agents, query, ...options }: BuildOptions & { readonly agents: ReadonlyMap<string, string> },
): Promise<StartedBuild> {
  const folder = source.kind === 'folder' ? source.folder : undefined;
  const needsSession = source.kind === 'folder' || agents.size > 0;
  const session = needsSession ? await openSession(context, { folder, agents }) : undefined;
  try {
    const body =
      source.kind === 'archive'
        ? source.body
        : source.kind === 'folder'
          ? { dockerfile: source.text, ignore: source.ignore }
          : undefined;
    const messages = await context.client.builds.build(body, {
      ...options,
      query: {
        ...query,
        session: session?.id,
        dockerfile: source.dockerfile,
        remote: source.kind === 'remote' ? source.address : '',
      },
    });
    return { messages, [Symbol.dispose]: () => session?.[Symbol.dispose]() };
  } catch (error) {
    session?.[Symbol.dispose]();
    throw error;
  }
}
