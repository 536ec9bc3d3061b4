/*
 * slipway-shim: stays beside one container, holds its streams and its exit status.
 *
 *   slipway-shim launch    forks one shim for each request on its standard input, until that is closed
 *   slipway-shim true      exits with 0: what a runtime is proved with
 *   slipway-shim gate      becomes, in a sandbox, what the daemon tells it to run
 *   slipway-shim disk FILE makes a new file system the template of disks, which shows whether this host can mount such
 *   slipway-shim quicken   asks the kernel to favour changes of cgroups
 */
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  unlink(path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4) < 0)) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

static bool read_all(int fd, void *data, size_t size) {
  for (char *at = data; size > 0;) {
    ssize_t n = read(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

static _Noreturn void become_shim(int listen_fd, char *payload, size_t size) {
  setsid();
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  if (null > 2) close(null);
  prctl(PR_SET_NAME, "slipway-shim");
  struct strings s = {payload, payload + size};
  const char *socket_path = next_string(&s);
  struct rootfs rootfs = {
      .path = next_string(&s), .upper = next_string(&s), .work = next_string(&s), .options = next_string(&s)};
  rootfs.lower = next_list(&s);
  rootfs.binds = next_list(&s);
  rootfs.disks = next_list(&s);
  rootfs.shared = next_list(&s);
  if (!rootfs.binds || !rootfs.disks || !rootfs.shared) _exit(1);
  shim_main(listen_fd, socket_path, &rootfs);
}

/* Each request is answered, in order, by two int32: the shim's pid or 0, and an errno. */
static int launch(void) {
  signal(SIGCHLD, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  for (int s = 1; s < 4; s++) signal((int[]){0, SIGINT, SIGTERM, SIGHUP}[s], SIG_IGN);
  int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (oom >= 0) {
    (void)!write(oom, "-999", 4);
    close(oom);
  }
  uint32_t size;
  while (read_all(0, &size, sizeof size)) {
    char *payload = size < 1 << 20 ? malloc(size) : NULL;
    if (!payload || !read_all(0, payload, size) || !memchr(payload, 0, size)) return 1;
    int32_t answer[2] = {0, 0};
    int fd = listen_at(payload);
    if (fd < 0) answer[1] = errno;
    pid_t pid = fd < 0 ? 0 : fork();
    if (pid == 0 && fd >= 0) become_shim(fd, payload, size);
    if (pid < 0) answer[1] = errno;
    else answer[0] = pid;
    if (fd >= 0) close(fd);
    free(payload);
    if (!write_all(1, answer, sizeof answer)) return 0;
  }
  return 0;
}

/*
 * Moving a process into a cgroup waits for an RCU grace period, 10 to 25 ms, unless the kernel favours such moves
 * (favordynmods, Linux 6.0). The choice is made with a hierarchy and, from Linux 6.18 on, outlives it: so one is made that
 * nobody sees, and given up. Older kernels refuse the option, or forget it with the hierarchy; then nothing has changed.
 */
static int quicken(void) {
  int fs = (int)syscall(SYS_fsopen, "cgroup", 1 /* FSOPEN_CLOEXEC */);
  if (fs < 0) return 1;
  bool ok = syscall(SYS_fsconfig, fs, 0 /* FSCONFIG_SET_FLAG */, "none", NULL, 0) == 0 &&
            syscall(SYS_fsconfig, fs, 1 /* FSCONFIG_SET_STRING */, "name", "slipway-quicken", 0) == 0 &&
            syscall(SYS_fsconfig, fs, 0, "favordynmods", NULL, 0) == 0 &&
            syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0;
  close(fs);
  return ok ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "true") == 0) return 0;
  if (argc == 2 && strcmp(argv[1], "launch") == 0) return launch();
  if (argc == 2 && strcmp(argv[1], "gate") == 0) return gate();
  if (argc == 3 && strcmp(argv[1], "disk") == 0) return disk_finish(argv[2]);
  if (argc == 2 && strcmp(argv[1], "quicken") == 0) return quicken();
  fprintf(stderr, "usage: slipway-shim launch\nIt is started by slipwayd; there is nothing to run by hand.\n");
  return 2;
}
