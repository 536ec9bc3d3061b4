import type { ImageHistoryItem, ImageInspect, ImageSummary } from '@slipway/api/docker';
import { ZERO_TIME } from '@slipway/base';
import { type ApiVersion, compareVersions } from '@slipway/http';
import type { ImageConfig } from '@slipway/oci';
import { createdAtMs } from './catalog.ts';
import type { HistoryStep } from './history.ts';
import type { InspectedImage } from './inspect.ts';
import type { ListedImage } from './list.ts';

/** An image as `GET /images/json` shows it to a client of this version. */
export function toSummary(
  { image, repoTags, repoDigests, sharedSizeBytes }: ListedImage,
  version: ApiVersion,
): ImageSummary {
  const isNameless = repoTags.length + repoDigests.length === 0 && compareVersions(version, '1.43') < 0;
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: isNameless ? ['<none>:<none>'] : repoTags,
    RepoDigests: isNameless ? ['<none>@<none>'] : repoDigests,
    Created: Math.floor(createdAtMs(image) / 1000),
    Size: image.sizeBytes,
    SharedSize: sharedSizeBytes ?? -1,
    ...(compareVersions(version, '1.44') < 0 ? { VirtualSize: image.sizeBytes } : {}),
    Labels: image.config.Labels ?? null,
    Containers: -1,
  };
}

/** An image as `GET /images/{name}/json` shows it. */
export function toInspect({ image, folders }: InspectedImage, version: ApiVersion): ImageInspect {
  const { document } = image;
  const [upper, ...lower] = folders;
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Parent: '',
    Comment: document.history?.at(-1)?.comment ?? '',
    Created: document.created ?? '',
    DockerVersion: '',
    Author: document.author ?? '',
    ...(compareVersions(version, '1.45') < 0 ? containerOf(document) : {}),
    Config: configToWire(document.config),
    Architecture: image.architecture,
    ...(image.variant === undefined ? {} : { Variant: image.variant }),
    Os: image.os,
    ...(document['os.version'] === undefined ? {} : { OsVersion: document['os.version'] }),
    Size: image.sizeBytes,
    ...(compareVersions(version, '1.44') < 0 ? { VirtualSize: image.sizeBytes } : {}),
    GraphDriver: {
      Name: 'overlay2',
      Data:
        upper === undefined
          ? null
          : { ...(lower.length === 0 ? {} : { LowerDir: lower.join(':') }), UpperDir: upper },
    },
    RootFS: { Type: 'layers', ...(image.diffIds.length === 0 ? {} : { Layers: image.diffIds }) },
    Metadata: {
      LastTagTime:
        image.lastTaggedAtMs === undefined ? ZERO_TIME : new Date(image.lastTaggedAtMs).toISOString(),
    },
    Descriptor: {
      mediaType: image.manifest.mediaType,
      digest: image.manifest.digest,
      size: image.manifest.size,
    },
  };
}

/** The container that an image was committed from. */
const containerOf = ({ container, container_config: config }: ImageConfig) => ({
  Container: typeof container === 'string' ? container : '',
  ContainerConfig: configToWire(typeof config === 'object' ? config : undefined),
});

/** What docker shows of a configuration that says nothing; clients read these without looking whether they are there. */
const EMPTY_CONFIG = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

const configToWire = (config: object | null | undefined): Record<string, unknown> => {
  const said = Object.entries(config ?? {}).filter(([, value]) => value !== undefined);
  return { ...EMPTY_CONFIG, ...Object.fromEntries(said) };
};

export function toHistoryItem(step: HistoryStep): ImageHistoryItem {
  const createdMs = Date.parse(step.createdAt ?? '');
  return {
    Id: step.id ?? '<missing>',
    Created: Number.isNaN(createdMs) ? 0 : Math.floor(createdMs / 1000),
    CreatedBy: step.createdBy,
    Tags: step.tags.length === 0 ? null : step.tags,
    Size: step.sizeBytes,
    Comment: step.comment,
  };
}
