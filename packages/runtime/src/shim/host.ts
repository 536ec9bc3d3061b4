import type { Clock } from '@slipway/base';
import type { CgroupHost } from '../driver/cgroup-host.ts';
import type { OciDriver } from '../driver/oci-driver.ts';
import type { SeccompCache } from '../driver/seccomp-cache.ts';

/** What sandboxes and tasks need to know of their runtime. */
export interface ShimHost {
  readonly clock: Clock;
  readonly cgroups: CgroupHost;
  readonly seccomp: SeccompCache;
  /** @throws InvalidArgument when no runtime has that name */
  driver(name: string): OciDriver;
}
