import { type ErrorCode, SlipwayError } from '@slipway/base';

/**
 * AWS's exceptions, by the code that the engine has for such a thing.
 * @see https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html
 */
const CODE_OF = {
  AccessDeniedException: 'PermissionDenied',
  EmptyUploadException: 'InvalidArgument',
  ImageAlreadyExistsException: 'AlreadyExists',
  ImageDigestDoesNotMatchException: 'InvalidArgument',
  ImageNotFoundException: 'NotFound',
  ImageTagAlreadyExistsException: 'AlreadyExists',
  InvalidLayerException: 'InvalidArgument',
  InvalidLayerPartException: 'InvalidArgument',
  InvalidParameterException: 'InvalidArgument',
  InvalidTagParameterException: 'InvalidArgument',
  LayerAlreadyExistsException: 'AlreadyExists',
  LayersNotFoundException: 'NotFound',
  LifecyclePolicyNotFoundException: 'NotFound',
  LifecyclePolicyPreviewNotFoundException: 'NotFound',
  LimitExceededException: 'ResourceExhausted',
  ReferencedImagesNotFoundException: 'NotFound',
  RepositoryAlreadyExistsException: 'AlreadyExists',
  RepositoryNotEmptyException: 'FailedPrecondition',
  RepositoryNotFoundException: 'NotFound',
  RepositoryPolicyNotFoundException: 'NotFound',
  SerializationException: 'InvalidArgument',
  TooManyTagsException: 'ResourceExhausted',
  UnknownOperationException: 'NotImplemented',
  UploadNotFoundException: 'NotFound',
} as const satisfies Record<string, ErrorCode>;

export type EcrException = keyof typeof CODE_OF;

/** The exception as an error that the dialect writes under AWS's name. */
export const ecrError = (reason: EcrException, message: string, cause?: unknown): SlipwayError =>
  new SlipwayError(CODE_OF[reason], message, { reason, cause });

export const invalidParameter = (path: string, constraint: string): SlipwayError =>
  ecrError(
    'InvalidParameterException',
    `Invalid parameter at '${path}' failed to satisfy constraint: '${constraint}'`,
  );
