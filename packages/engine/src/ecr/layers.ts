import { isSlipwayError } from '@slipway/base';
import type { BlobUpload } from '@slipway/distribution/server';
import { isDigest } from '@slipway/oci';
import { z } from 'zod';
import { action, type EcrAction, inRepository } from './action.ts';
import { type EcrContext, openRepository, REGISTRY_ID } from './context.ts';
import { ecrError, invalidParameter } from './errors.ts';

/** What clients are told to send at once; AWS says the same. */
const PART_BYTES = 10 << 20;

const layerDigests = z.array(z.string()).min(1).max(100);

/** Layers: whether they are there, and sending them in parts. */
export function layerActions(ecr: EcrContext): EcrAction[] {
  return [checkAvailability(ecr), downloadUrl(ecr), initiate(ecr), uploadPart(ecr), complete(ecr)];
}

function checkAvailability(ecr: EcrContext): EcrAction {
  const schema = z.object({ ...inRepository, layerDigests });
  return action('BatchCheckLayerAvailability', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'pull');
    const layers: object[] = [];
    const failures: object[] = [];
    for (const layerDigest of new Set(input.layerDigests)) {
      if (!isDigest(layerDigest)) {
        const failureReason = `Invalid request parameters: "${layerDigest}" is no digest`;
        failures.push({ layerDigest, failureCode: 'InvalidLayerDigest', failureReason });
        continue;
      }
      const sizeBytes = await findBlob(ecr, name, layerDigest);
      layers.push(
        sizeBytes === undefined
          ? { layerDigest, layerAvailability: 'UNAVAILABLE' }
          : { layerDigest, layerAvailability: 'AVAILABLE', layerSize: sizeBytes },
      );
    }
    return { layers, failures };
  });
}

/** The URL is the registry's own; where there are accounts, it asks for the authorization that a pull has. */
function downloadUrl(ecr: EcrContext): EcrAction {
  const schema = z.object({ ...inRepository, layerDigest: z.string() });
  return action('GetDownloadUrlForLayer', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'pull');
    const { layerDigest } = input;
    if (!isDigest(layerDigest)) throw invalidParameter('layerDigest', 'must be a digest');
    if ((await findBlob(ecr, name, layerDigest)) === undefined) {
      throw ecrError('LayersNotFoundException', `The layer ${layerDigest} is not in repository '${name}'`);
    }
    return { downloadUrl: `http://${call.host}/v2/${name}/blobs/${layerDigest}`, layerDigest };
  });
}

function initiate(ecr: EcrContext): EcrAction {
  return action('InitiateLayerUpload', z.object(inRepository), async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'push');
    const { id } = await ecr.registry.startUpload(name, call.visitor);
    return { uploadId: id, partSize: PART_BYTES };
  });
}

function uploadPart(ecr: EcrContext): EcrAction {
  const schema = z.object({
    ...inRepository,
    uploadId: z.string(),
    partFirstByte: z.int().min(0),
    partLastByte: z.int().min(0),
    layerPartBlob: z.base64('must be base64'),
  });
  return action('UploadLayerPart', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'push');
    const { uploadId, partFirstByte, partLastByte } = input;
    const upload = await openUpload(ecr, name, uploadId);
    const part = Buffer.from(input.layerPartBlob, 'base64');
    if (partFirstByte !== upload.receivedBytes || partLastByte - partFirstByte + 1 !== part.byteLength) {
      throw ecrError(
        'InvalidLayerPartException',
        `The part says that it is bytes ${partFirstByte} to ${partLastByte}; it has ${part.byteLength} bytes, and the next byte of upload ${uploadId} is ${upload.receivedBytes}`,
      );
    }
    await upload.append(once(part));
    return {
      registryId: REGISTRY_ID,
      repositoryName: name,
      uploadId,
      lastByteReceived: upload.receivedBytes - 1,
    };
  });
}

function complete(ecr: EcrContext): EcrAction {
  const schema = z.object({ ...inRepository, uploadId: z.string(), layerDigests });
  return action('CompleteLayerUpload', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'push');
    const { uploadId } = input;
    const [layerDigest = ''] = input.layerDigests;
    if (!isDigest(layerDigest)) throw invalidParameter('layerDigests', 'must be digests');
    const upload = await openUpload(ecr, name, uploadId);
    if (upload.receivedBytes === 0) {
      throw ecrError('EmptyUploadException', `No part of upload ${uploadId} has arrived`);
    }
    if ((await findBlob(ecr, name, layerDigest)) !== undefined) {
      await upload.cancel();
      throw ecrError(
        'LayerAlreadyExistsException',
        `Layer with digest '${layerDigest}' already exists in the repository with name '${name}'`,
      );
    }
    await upload.commit(layerDigest).catch((error: unknown) => {
      if (!isSlipwayError(error, 'InvalidArgument')) throw error;
      throw ecrError('InvalidLayerException', error.message, error);
    });
    return { registryId: REGISTRY_ID, repositoryName: name, uploadId, layerDigest };
  });
}

async function openUpload({ registry }: EcrContext, name: string, uploadId: string): Promise<BlobUpload> {
  try {
    return await registry.getUpload(name, uploadId);
  } catch (error) {
    if (!isSlipwayError(error, 'NotFound')) throw error;
    throw ecrError(
      'UploadNotFoundException',
      `The upload with id '${uploadId}' does not exist in the repository with name '${name}'`,
      error,
    );
  }
}

/** The size in bytes of a blob of the repository. */
async function findBlob(
  { registry }: EcrContext,
  name: string,
  digest: Parameters<EcrContext['registry']['getBlob']>[1],
): Promise<number | undefined> {
  try {
    return (await registry.getBlob(name, digest)).sizeBytes;
  } catch (error) {
    if (isSlipwayError(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function* once(part: Uint8Array): AsyncIterable<Uint8Array> {
  yield part;
}
