#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK_BYTES 4096

/* The template's data, without its holes, in a file beside it that has no name: nothing can be left of it. */
static int copy_nameless(const char *template) {
  char folder[4096];
  struct stat status;
  if (strlen(template) >= sizeof folder) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int from = open(template, O_RDONLY | O_CLOEXEC);
  int to = from < 0 ? -1 : open(dirname(strcpy(folder, template)), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  bool ok = to >= 0 && fstat(from, &status) == 0 && ftruncate(to, status.st_size) == 0;
  for (loff_t at = 0; ok && (at = lseek(from, at, SEEK_DATA)) >= 0;) {
    loff_t end = lseek(from, at, SEEK_HOLE), target = at;
    while (ok && at < end) ok = copy_file_range(from, &at, to, &target, (size_t)(end - at), 0) > 0;
  }
  ok = ok && errno == ENXIO; /* No data behind this. */
  int error = errno;
  if (from >= 0) close(from);
  if (ok) return to;
  if (to >= 0) close(to);
  errno = error;
  return -1;
}

/* The device goes when nobody has it open and it is mounted nowhere, whoever dies. */
static int attach(int file, char *path, size_t size) {
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), loop = -1;
  const struct loop_config config = {.fd = (uint32_t)file,
                                     .block_size = BLOCK_BYTES,
                                     .info = {.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO}};
  /* Who asks for a free one at the same time is told the same one. */
  for (bool taken = control >= 0; taken;) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    snprintf(path, size, "/dev/loop%d", number);
    loop = open(path, O_RDWR | O_CLOEXEC);
    if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, &config) == 0) break;
    int error = errno;
    close(loop);
    loop = -1;
    errno = error;
    taken = error == EBUSY;
  }
  int error = errno;
  if (control >= 0) close(control);
  errno = error;
  return loop;
}

static int mount_detached(const char *device) {
  int fs = (int)syscall(SYS_fsopen, "ext4", 1 /* FSOPEN_CLOEXEC */);
  if (fs < 0) return -1;
  /* What has not been written is zero, in a file with holes; and it has not to outlive a loss of power. */
  bool ok = syscall(SYS_fsconfig, fs, 1 /* FSCONFIG_SET_STRING */, "source", device, 0) == 0 &&
            syscall(SYS_fsconfig, fs, 0 /* FSCONFIG_SET_FLAG */, "noinit_itable", NULL, 0) == 0 &&
            syscall(SYS_fsconfig, fs, 0, "nobarrier", NULL, 0) == 0 &&
            syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0;
  int tree = ok ? (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 2 | 4 /* MOUNT_ATTR_NOSUID, _NODEV */) : -1;
  int error = errno;
  close(fs);
  errno = error;
  return tree;
}

static int mount_file(int file, const char *template, char *why, size_t size) {
  char device[32];
  int loop = file < 0 ? -1 : attach(file, device, sizeof device);
  int tree = loop < 0 ? -1 : mount_detached(device);
  if (tree < 0) snprintf(why, size, "cannot %s %s: %s", file < 0 ? "copy" : loop < 0 ? "attach" : "mount", template, strerror(errno));
  if (loop >= 0) close(loop);
  if (file >= 0) close(file);
  return tree;
}

int disk_open(const char *template, char *why, size_t size) { return mount_file(copy_nameless(template), template, why, size); }

int disk_finish(const char *template) {
  char why[512];
  int tree = mount_file(open(template, O_RDWR | O_CLOEXEC), template, why, sizeof why);
  if (tree < 0) {
    fprintf(stderr, "%s\n", why);
    return 1;
  }
  bool ok = fchmodat(tree, ".", 01777, 0) == 0 && unlinkat(tree, "lost+found", AT_REMOVEDIR) == 0;
  if (!ok) perror(template);
  close(tree);
  return ok ? 0 : 1;
}
