import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RepositoryManifest } from '@slipway/client';
import { formatList } from './list.ts';
import { MANIFEST_LAYOUT, manifestRow } from './manifest-row.ts';

const NOW_MS = 1_800_000_000_000;
const manifest = (over: Partial<RepositoryManifest>): RepositoryManifest => ({
  digest: `sha256:${'a'.repeat(64)}`,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  tags: [],
  sizeBytes: 1_500_000,
  pushedAtMs: NOW_MS - 7_200_000,
  platforms: [],
  ...over,
});

test('a repository’s table tells images, indexes and artifacts apart', () => {
  const rows = [
    manifest({
      mediaType: 'application/vnd.oci.image.index.v1+json',
      tags: ['1', 'latest'],
      platforms: [
        { os: 'linux', architecture: 'amd64' },
        { os: 'linux', architecture: 'arm64', variant: 'v8' },
      ],
      lastPulledAtMs: NOW_MS - 60_000,
    }),
    manifest({ artifactType: 'application/spdx+json', subject: `sha256:${'b'.repeat(64)}` }),
  ].map((one) => manifestRow(one, { truncate: true, nowMs: NOW_MS }));
  const format =
    'table {{.Tags}}|{{.Digest}}|{{.Type}}|{{.Platforms}}|{{.Size}}|{{.Pushed}}|{{.Pulled}}|{{.Subject}}';
  assert.deepEqual(formatList(MANIFEST_LAYOUT, rows, format).trimEnd().split('\n').slice(1), [
    '1,latest|aaaaaaaaaaaa|index|linux/amd64,linux/arm64/v8|1.5MB|2 hours ago|About a minute ago|',
    '<none>|aaaaaaaaaaaa|application/spdx+json||1.5MB|2 hours ago|never|bbbbbbbbbbbb',
  ]);
});
