/**
 * How far a version of a function is: Lambda's `State` and `LastUpdateStatus`.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
 */
export interface Progress {
  readonly state: 'Pending' | 'Active' | 'Failed';
  readonly stateReason: Reason | undefined;
  /** Undefined until the function was active once. */
  readonly update: 'InProgress' | 'Successful' | 'Failed' | undefined;
  readonly updateReason: Reason | undefined;
}

export interface Reason {
  readonly code: string;
  readonly text: string;
}

export type ProgressEvent =
  /** Its code or configuration was changed. */
  | { readonly kind: 'updated' }
  /** Everything that it needs is here. */
  | { readonly kind: 'settled' }
  | { readonly kind: 'failed'; readonly reason: Reason };

const CREATING: Reason = { code: 'Creating', text: 'The function is being created.' };

/** Of a new function, or a new version. */
export const CREATED: Progress = {
  state: 'Pending',
  stateReason: CREATING,
  update: undefined,
  updateReason: undefined,
};

const ACTIVE: Progress = {
  state: 'Active',
  stateReason: undefined,
  update: 'Successful',
  updateReason: undefined,
};

/** What becomes of it. What settles or fails with nothing under way changes nothing. */
export function transition(progress: Progress, event: ProgressEvent): Progress {
  const isUnderWay = !isSettled(progress);
  switch (event.kind) {
    case 'updated':
      if (progress.state !== 'Active') return CREATED;
      return { ...progress, update: 'InProgress', updateReason: CREATING };
    case 'settled':
      return isUnderWay ? ACTIVE : progress;
    case 'failed':
      if (!isUnderWay) return progress;
      // An update that fails leaves the function as it was before, and active.
      if (progress.state === 'Active') return { ...progress, update: 'Failed', updateReason: event.reason };
      return { state: 'Failed', stateReason: event.reason, update: 'Failed', updateReason: event.reason };
  }
}

/** Whether nothing is under way. */
export const isSettled = ({ state, update }: Progress): boolean =>
  state !== 'Pending' && update !== 'InProgress';
