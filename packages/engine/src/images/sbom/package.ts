import type { DiffId } from '@slipway/oci';

/** A package as its own package manager's files declare it. */
export interface DeclaredPackage {
  readonly type: 'deb' | 'apk' | 'npm' | 'pypi';
  /** The scope of an npm package, without the rest of its name: `@types`. */
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly version: string;
  readonly architecture?: string | undefined;
  /** Each an SPDX expression or whatever else was written there. */
  readonly licenses: readonly string[];
  readonly description?: string | undefined;
}

/** The system that an image's root holds. @see https://www.freedesktop.org/software/systemd/man/os-release.html */
export interface OperatingSystem {
  /** `debian` */
  readonly id: string;
  /** `12`; undefined for one that is never released, as Debian sid. */
  readonly versionId: string | undefined;
  readonly prettyName: string | undefined;
}

/** A package that an image holds. */
export interface FoundPackage extends DeclaredPackage {
  /** `pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12`; no two packages of an inventory have the same. */
  readonly purl: string;
  readonly locations: readonly {
    /** Of the file that declares it, from the image's root: `/var/lib/dpkg/status`. */
    readonly path: string;
    /** The layer that brought the package. */
    readonly diffId: DiffId;
  }[];
}

/** What an image holds. */
export interface Inventory {
  readonly system: OperatingSystem | undefined;
  /** In the order of their purls. */
  readonly packages: readonly FoundPackage[];
  /** Files that would have told more, but were too large or not what they should be; with the reason. */
  readonly unread: readonly string[];
}
