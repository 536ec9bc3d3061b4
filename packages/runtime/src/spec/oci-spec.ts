/**
 * The parts of the OCI runtime specification that Slipway writes.
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export interface OciSpec {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly?: boolean };
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts: readonly {
    destination: string;
    type: string;
    source: string;
    options: readonly string[];
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux: OciLinux;
}

export interface OciProcess {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly umask?: number;
    readonly additionalGids?: readonly number[];
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities?: Readonly<
    Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', readonly string[]>
  >;
  readonly rlimits?: readonly { type: string; hard: number; soft: number }[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly oomScoreAdj?: number;
}

export interface OciLinux {
  readonly namespaces: readonly { type: string; path?: string }[];
  readonly uidMappings?: readonly { containerID: number; hostID: number; size: number }[];
  readonly gidMappings?: readonly { containerID: number; hostID: number; size: number }[];
  readonly devices?: readonly {
    type: string;
    path: string;
    major: number;
    minor: number;
    fileMode?: number;
    uid?: number;
    gid?: number;
  }[];
  readonly cgroupsPath: string;
  readonly resources: OciLinuxResources;
  readonly rootfsPropagation?: string;
  readonly seccomp?: unknown;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly mountLabel?: string;
}

/** @see https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#control-groups */
export interface OciLinuxResources {
  readonly devices?: readonly {
    allow: boolean;
    type?: string;
    major?: number;
    minor?: number;
    access?: string;
  }[];
  readonly memory?: Readonly<Record<string, number | boolean>>;
  readonly cpu?: Readonly<Record<string, number | string>>;
  readonly pids?: { readonly limit: number };
  readonly blockIO?: Readonly<Record<string, unknown>>;
  readonly hugepageLimits?: readonly { pageSize: string; limit: number }[];
}
