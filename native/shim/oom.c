#include "shim.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

static int event_fd = -1;
static char counter_path[4096];
static long seen_kills;

static long read_kills(void) {
  char text[1024];
  if (read_small_file(counter_path, text, sizeof text) < 0) return seen_kills;
  for (char *line = text; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, "oom_kill ", 9) == 0) return atol(line + 9);
  }
  return seen_kills;
}

static void watch_v1(const char *cgroup) {
  char path[4200], text[64];
  int control = open(counter_path, O_RDONLY | O_CLOEXEC);
  event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  snprintf(path, sizeof path, "%s/cgroup.event_control", cgroup);
  int events = open(path, O_WRONLY | O_CLOEXEC);
  int n = snprintf(text, sizeof text, "%d %d", event_fd, control);
  if (events < 0 || control < 0 || write(events, text, (size_t)n) < 0) {
    close(event_fd);
    event_fd = -1;
  }
  if (events >= 0) close(events);
  if (control >= 0) close(control);
}

void oom_watch(const char *cgroup, int version) {
  if (!*cgroup) return;
  snprintf(counter_path, sizeof counter_path, "%s/%s", cgroup, version == 1 ? "memory.oom_control" : "memory.events");
  if (version == 1) {
    watch_v1(cgroup);
  } else {
    event_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    inotify_add_watch(event_fd, counter_path, IN_MODIFY);
  }
}

int oom_fd(void) { return event_fd; }

bool oom_check(void) {
  char events[4096];
  if (event_fd >= 0) {
    ssize_t n = read(event_fd, events, sizeof events);
    (void)n;
  }
  if (!*counter_path) return false;
  long kills = read_kills();
  bool more = kills > seen_kills;
  seen_kills = kills;
  return more;
}

bool oom_happened(void) { return seen_kills > 0; }

int64_t oom_read_peak(const char *cgroup, int version) {
  char path[4200], text[32];
  if (!*cgroup) return 0;
  snprintf(path, sizeof path, "%s/%s", cgroup, version == 2 ? "memory.peak" : "memory.max_usage_in_bytes");
  return read_small_file(path, text, sizeof text) > 0 ? atoll(text) : 0;
}
