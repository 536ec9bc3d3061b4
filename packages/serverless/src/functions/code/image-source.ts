import { errorMessage, isSlipwayError } from '@slipway/base';
import type { ImageService } from '@slipway/engine/images';
import type { TransferService } from '@slipway/engine/transfer';
import { type Digest, type ImageId, parseReference } from '@slipway/oci';
import { invalidParameter } from '../errors.ts';
import type { Reason } from '../state.ts';

/** An image that is here. */
export interface FoundImage {
  readonly id: ImageId;
  readonly manifest: Digest;
}

/** Where functions' images come from. */
export interface ImageSource {
  find(uri: string): FoundImage | undefined;
  /** Brings it here. @throws ImageFailure */
  pull(uri: string, options: { readonly signal: AbortSignal }): Promise<FoundImage>;
  /** Whether it could be the name of an image. @throws InvalidArgument InvalidParameterValueException */
  check(uri: string): void;
}

/** Why an image did not come. */
export class ImageFailure extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, options: ErrorOptions) {
    super(reason.text, options);
    this.reason = reason;
  }
}

/** The engine's images, and those of registries. What is here already is not asked for elsewhere. */
export function engineImages(images: ImageService, transfer: TransferService): ImageSource {
  const find = (uri: string): FoundImage | undefined => {
    const image = images.find(uri);
    return image && { id: image.id, manifest: image.manifest.digest };
  };
  return {
    find,
    check(uri) {
      try {
        parseReference(uri);
      } catch (error) {
        throw invalidParameter(
          `Source image ${uri} is not valid. Provide a valid source image. (${errorMessage(error)})`,
        );
      }
    },
    async pull(uri, { signal }) {
      try {
        for await (const _progress of await transfer.pull({ reference: parseReference(uri) }, signal));
      } catch (cause) {
        const code = isSlipwayError(cause, 'Unauthenticated', 'PermissionDenied')
          ? 'ImageAccessDenied'
          : 'InvalidImage';
        throw new ImageFailure({ code, text: `Source image ${uri}: ${errorMessage(cause)}` }, { cause });
      }
      const found = find(uri);
      if (found !== undefined) return found;
      throw new ImageFailure({ code: 'ImageDeleted', text: `Source image ${uri} was removed` }, {});
    },
  };
}
