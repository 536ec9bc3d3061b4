#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool fail(char *why, size_t size, const char *what, const char *path) {
  snprintf(why, size, "%s %s: %s", what, path, strerror(errno));
  return false;
}

/*
 * crun 1.8 refuses hybrid hosts whose v2 hierarchy holds a controller; where it is not to be seen, it does not mind. What it
 * takes for a cgroup there are then plain files, which go with this namespace.
 */
static void hide_unified_cgroup(void) {
  struct statfs fs;
  const long cgroup2_magic = 0x63677270;
  const char *path = "/sys/fs/cgroup/unified";
  if (statfs(path, &fs) == 0 && fs.f_type == cgroup2_magic) mount("none", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k");
}

static bool move_tree(int tree, const char *target) {
  return syscall(SYS_move_mount, tree, "", AT_FDCWD, target, 4 /* MOVE_MOUNT_F_EMPTY_PATH */) == 0;
}

#define MAX_SHARED 64

/* A copy of what is mounted there. Of a shared mount it is shared as well, in the namespace that has the mount. */
static int clone_tree(const char *path, int flags) {
  return (int)syscall(SYS_open_tree, AT_FDCWD, path, 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC | flags);
}

static bool make_mount_point(const char *path, int for_tree) {
  struct stat s;
  if (fstat(for_tree, &s) < 0) return false;
  return (S_ISDIR(s.st_mode) ? mkdir(path, 0700) : mknod(path, S_IFREG | 0600, 0)) == 0 || errno == EEXIST;
}

/*
 * Taken from the host's as it is now: what was mounted since the daemon started is there too. The shared trees are put where
 * no path of a container's leads by itself: over their sources, all that is mounted below those would reach the host.
 */
bool rootfs_enter_namespace(const struct rootfs *r, char *why, size_t size) {
  int trees[MAX_SHARED], count = 0;
  for (char **s = r->shared; s[0] && s[1]; s += 2) {
    if (count == MAX_SHARED) errno = E2BIG;
    if (count == MAX_SHARED || (trees[count] = clone_tree(s[0], AT_RECURSIVE)) < 0) return fail(why, size, "cannot share", s[0]);
    count++;
  }
  if (unshare(CLONE_NEWNS) < 0) return fail(why, size, "cannot unshare the mount namespace for", "the sandbox");
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) return fail(why, size, "cannot make slave", "/");
  for (int i = 0; i < count; i++) {
    const char *path = r->shared[2 * i + 1];
    if (!make_mount_point(path, trees[i]) || !move_tree(trees[i], path)) return fail(why, size, "cannot mount at", path);
    close(trees[i]);
  }
  hide_unified_cgroup();
  return true;
}

/*
 * OCI runtimes keep a container from writing to them by a copy of themselves, which they make and execute again at each
 * call (CVE-2019-5736); where they stand read-only they need not. It can fail: then they go on copying.
 */
void rootfs_protect(const char *program) {
  if (mount(program, program, NULL, MS_BIND, NULL) == 0) mount(NULL, program, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

static int open_in_root(int root, const char *path) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* Opens `path` below `root`, making the folders that are missing (and at the end a file, when a file is to be bound). */
static int open_or_make(int root, const char *path, bool file) {
  int found = open_in_root(root, path);
  if (found >= 0 || errno != ENOENT) return found;
  char part[4096];
  if (strlen(path) >= sizeof part) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int parent = open_in_root(root, "/");
  for (const char *at = path; parent >= 0;) {
    at += strspn(at, "/");
    const char *end = strchrnul(at, '/');
    bool last = end[strspn(end, "/")] == 0;
    memcpy(part, path, (size_t)(end - path));
    part[end - path] = 0;
    int next = open_in_root(root, part);
    if (next < 0 && errno == ENOENT) {
      char name[256];
      snprintf(name, sizeof name, "%.*s", (int)(end - at), at);
      if (last && file) {
        int made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        if (made >= 0) close(made);
      } else {
        mkdirat(parent, name, 0755);
      }
      next = open_in_root(root, part);
    }
    close(parent);
    if (last) return next;
    parent = next;
    at = end;
  }
  return -1;
}

static bool bind_all(const struct rootfs *r, char *why, size_t size) {
  int root = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail(why, size, "cannot open", r->path);
  for (char **b = r->binds; b[0] && b[1]; b += 2) {
    struct stat source;
    if (stat(b[0], &source) < 0) return fail(why, size, "cannot bind", b[0]);
    int target = open_or_make(root, b[1], !S_ISDIR(source.st_mode));
    if (target < 0) return fail(why, size, "cannot open the mount point", b[1]);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", target);
    int failed = mount(b[0], path, NULL, MS_BIND | MS_REC, NULL);
    if (failed) return fail(why, size, "cannot bind to", b[1]);
    close(target);
  }
  close(root);
  return true;
}

static bool mount_disk(int root, const char *template, const char *where, char *why, size_t size) {
  int tree = disk_open(template, why, size);
  if (tree < 0) return false;
  int target = open_or_make(root, where, false);
  bool ok = target >= 0 && syscall(SYS_move_mount, tree, "", target, "", 4 | 0x40 /* MOVE_MOUNT_F_, _T_EMPTY_PATH */) == 0;
  if (!ok) fail(why, size, "cannot mount a disk at", where);
  if (target >= 0) close(target);
  close(tree);
  return ok;
}

static bool mount_disks(const struct rootfs *r, char *why, size_t size) {
  int root = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail(why, size, "cannot open", r->path);
  bool ok = true;
  for (char **d = r->disks; ok && d[0] && d[1]; d += 2) ok = mount_disk(root, d[0], d[1], why, size);
  close(root);
  return ok;
}

/* More layers than fit in the page that mount(2) takes. */
static bool mount_piecewise(const struct rootfs *r, char *why, size_t size) {
  int fs = (int)syscall(SYS_fsopen, "overlay", 1 /* FSOPEN_CLOEXEC */);
  if (fs < 0) return fail(why, size, "cannot open the overlay file system for", r->path);
  bool ok = true;
  for (char **l = r->lower; ok && *l; l++) ok = syscall(SYS_fsconfig, fs, 1, "lowerdir+", *l, 0) == 0;
  if (ok && *r->upper) {
    ok = syscall(SYS_fsconfig, fs, 1, "upperdir", r->upper, 0) == 0 &&
         syscall(SYS_fsconfig, fs, 1, "workdir", r->work, 0) == 0 &&
         syscall(SYS_fsconfig, fs, 1, "index", "off", 0) == 0;
  }
  ok = ok && syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0;
  int mounted = ok ? (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, *r->upper ? 0 : MS_RDONLY) : -1;
  ok = mounted >= 0 && move_tree(mounted, r->path);
  if (!ok) fail(why, size, "cannot mount the layers at", r->path);
  if (mounted >= 0) close(mounted);
  close(fs);
  return ok;
}

static bool mount_layers(const struct rootfs *r, char *why, size_t size) {
  bool writable = *r->upper != 0;
  if (!writable && !r->lower[1]) {
    if (mount(r->lower[0], r->path, NULL, MS_BIND | MS_REC, NULL) < 0 ||
        mount(NULL, r->path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
      return fail(why, size, "cannot bind", r->lower[0]);
    return true;
  }
  char options[4096];
  size_t used = 0;
#define ADD(...)                                                                   \
  do {                                                                             \
    used += (size_t)snprintf(options + used, sizeof options - used, __VA_ARGS__);  \
    if (used >= sizeof options) return mount_piecewise(r, why, size);              \
  } while (0)
  ADD("lowerdir=");
  for (char **l = r->lower; *l; l++) ADD("%s%s", l == r->lower ? "" : ":", *l);
  if (writable) ADD(",upperdir=%s,workdir=%s,index=off", r->upper, r->work);
  if (*r->options) ADD(",%s", r->options);
#undef ADD
  if (mount("overlay", r->path, "overlay", writable ? 0 : MS_RDONLY, options) < 0)
    return fail(why, size, "cannot mount the layers at", r->path);
  return true;
}

bool rootfs_mount(const struct rootfs *r, char *why, size_t size) {
  if (mkdir(r->path, 0755) < 0 && errno != EEXIST) return fail(why, size, "cannot make", r->path);
  if (!r->lower[0]) {
    snprintf(why, size, "the root file system %s has no layer", r->path);
    return false;
  }
  return mount_layers(r, why, size) && bind_all(r, why, size) && mount_disks(r, why, size);
}

/* The folders as one read-only tree that is mounted nowhere; `scratch` is where it stands for a moment. */
static int detached_tree(char *scratch, char **lower, char *why, size_t size) {
  const struct rootfs r = {.path = scratch, .lower = lower, .upper = "", .work = "", .options = ""};
  if (!mount_layers(&r, why, size)) return -1;
  int tree = clone_tree(scratch, 0);
  if (tree < 0) fail(why, size, "cannot take the tree of", lower[0]);
  umount2(scratch, MNT_DETACH);
  struct {
    uint64_t set, clear, propagation, userns;
  } attributes = {.set = MS_RDONLY | MS_NOSUID | MS_NODEV, .propagation = MS_PRIVATE};
  if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0) return tree;
  fail(why, size, "cannot protect the tree of", lower[0]);
  close(tree);
  return -1;
}

#define MAX_GRAFTS 8

/*
 * The trees are made in our own namespace and moved while we are in the container's: a process of one thread may enter one
 * and come back, and the container's own processes have no part in it.
 */
bool rootfs_graft(char *root, pid_t container, struct strings *s, char *why, size_t size) {
  const char *temporary = next_string(s), *template = next_string(s), *targets[MAX_GRAFTS + 1];
  int trees[MAX_GRAFTS + 1], count = 0;
  bool ok = template != NULL, replaced = ok && *template;
  if (replaced) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tmp", root);
    ok = (trees[count] = disk_open(template, why, size)) >= 0;
    if (ok) targets[count++] = "/tmp";
    if (ok) umount2(path, MNT_DETACH); /* The container's own view of the disk that was there goes below. */
  }
  for (const char *target; ok && s->at < s->end && (target = next_string(s));) {
    char **lower = next_list(s);
    ok = lower && lower[0] && count < MAX_GRAFTS + replaced;
    if (!ok) snprintf(why, size, "the request to graft is not well-formed");
    else ok = (trees[count] = detached_tree(root, lower, why, size)) >= 0;
    if (ok) targets[count++] = target;
    free(lower);
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/mnt", container);
  int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), there = open(path, O_RDONLY | O_CLOEXEC);
  if (ok && (own < 0 || there < 0 || setns(there, CLONE_NEWNS) < 0)) ok = fail(why, size, "cannot enter", path);
  else if (ok) {
    if (replaced) umount2("/tmp", MNT_DETACH);
    for (int i = 0; ok && i < count; i++)
      if (!move_tree(trees[i], targets[i])) ok = fail(why, size, "cannot graft to", targets[i]);
    if (ok && *temporary && mount(NULL, "/tmp", NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, temporary) < 0)
      ok = fail(why, size, "cannot resize", "/tmp");
    if (setns(own, CLONE_NEWNS) < 0) _exit(1);
  }
  while (count > 0) close(trees[--count]);
  if (own >= 0) close(own);
  if (there >= 0) close(there);
  return ok;
}
