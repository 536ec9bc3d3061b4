#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_LIMIT (1 << 20)     /* Output waiting for a slow daemon; past it the pipes are not read. */
#define IN_LIMIT (4 << 20)      /* The largest message that is accepted. */
#define QUIET_MS 100            /* After a process died, how long its pipe, held by others, is still waited on. */
#define DRAIN_MS 2000           /* … and at most, however busy it is. */
#define CONNECT_MS 10000        /* A sandbox that the daemon does not connect to is given up. */
#define MAX_PROCESSES 512

struct header {
  uint32_t size;
  uint8_t type, stream;
  uint16_t handle; /* 0: the container's first process; others are chosen by the daemon, one for each exec. */
} __attribute__((packed));

struct process {
  uint16_t handle;
  bool terminal, has_stdin, attached, held, started, dead, reported, close_stdin;
  int in, out[2], console;
  pid_t runtime, pid; /* The runtime's process while it starts; then the process itself. */
  int status;
  int64_t died_ns, quiet_at, drain_at;
  char *pid_file, *console_path, **argv;
  char *payload; /* Holds the strings above. */
  struct buffer stdin_waits;
  struct log_stream log[2];
};

static struct process *processes[MAX_PROCESSES];
static int process_count, listener, connection = -1, signals;
static struct buffer incoming, outgoing;
static const char *socket_path;
static char *rootfs_path;
static char failure[512];
static char *cookie = "", *exit_path = "", *lasting_exit_path = "", *memory_cgroup = "", *state_folder = "", **cgroups, **delete_argv;
static int memory_cgroup_version;
static int64_t memory_peak, started_ns, exited_ns, give_up_at, oom_recheck_at, oom_recheck_end;
static bool begun, connected_once, finishing;
static pid_t delete_pid;
static uint16_t next_handle = 1;

/* ---- to the daemon ---- */

static void disconnect(void) {
  if (connection < 0) return;
  close(connection);
  connection = -1;
  buffer_drop(&incoming, buffer_size(&incoming));
  buffer_drop(&outgoing, buffer_size(&outgoing));
  for (int i = 0; i < process_count; i++) processes[i]->attached = processes[i]->held = false;
}

static void flush_outgoing(void) {
  while (connection >= 0 && buffer_size(&outgoing) > 0) {
    ssize_t n = send(connection, outgoing.data + outgoing.start, buffer_size(&outgoing), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return disconnect();
    buffer_drop(&outgoing, (size_t)n);
  }
}

static void tell(char type, int stream, uint16_t handle, const void *data, size_t size) {
  if (connection < 0) return;
  struct header h = {(uint32_t)size, (uint8_t)type, (uint8_t)stream, handle};
  if (!buffer_add(&outgoing, &h, sizeof h) || !buffer_add(&outgoing, data, size)) disconnect();
}

/* Numbers and texts, each with a NUL at its end. */
__attribute__((format(printf, 3, 4))) static void tell_text(char type, uint16_t handle, const char *format, ...) {
  char text[8192];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n >= (int)sizeof text) n = sizeof text - 1;
  for (int i = 0; i < n; i++)
    if (text[i] == '\x1f') text[i] = 0;
  tell(type, 0, handle, text, (size_t)n + 1);
}

static int exit_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

static void tell_exit(const struct process *p) {
  tell_text('X', p->handle, "%d\x1f%d\x1f%lld\x1f%lld", exit_code(p->status), p->handle == 0 && oom_happened(),
            (long long)p->died_ns, p->handle == 0 ? (long long)memory_peak : 0);
}

static void tell_state(void) {
  struct process *first = process_count ? processes[0] : NULL;
  const char *state = *failure ? failure : !begun ? "sandbox" : first && !first->started ? "starting" : "running";
  tell_text('H', next_handle, "%s\x1f%d\x1f%d\x1f%lld\x1f%s", state, getpid(), first ? first->pid : 0,
            (long long)started_ns, cookie);
  if (first && first->reported) tell_exit(first);
}

/* ---- processes ---- */

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void drop_stdin(struct process *p) {
  uint32_t size = (uint32_t)buffer_size(&p->stdin_waits);
  if (size) tell('W', 0, p->handle, &size, sizeof size);
  buffer_drop(&p->stdin_waits, size);
}

static void forget(struct process *p) {
  close_fd(&p->in);
  close_fd(&p->out[0]);
  close_fd(&p->out[1]);
  close_fd(&p->console);
  if (*p->console_path) unlink(p->console_path);
  buffer_drop(&p->stdin_waits, buffer_size(&p->stdin_waits));
  free(p->argv);
  free(p->payload);
  for (int i = 0; i < process_count; i++)
    if (processes[i] == p) processes[i] = processes[--process_count];
  free(p);
}

/*
 * Our memory is not copied, which would be most of the work: the child uses it until it is the program, and we stand still
 * for as long.
 */
__attribute__((noinline)) static pid_t spawn_in(char **environment, char **argv, int in, int out, int err) {
  pid_t pid = vfork();
  if (pid != 0) return pid;
  sigset_t none;
  sigemptyset(&none);
  for (int s = 1; s < 32; s++) signal(s, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (oom >= 0) (void)!write(oom, "0", 1);
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(125);
  execve(argv[0], argv, environment);
  dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
  _exit(125);
}

/* What stands before the program is its environment, `NAME=value`, as env(1) has it. */
static pid_t spawn(char **argv, int in, int out, int err) {
  char *environment[4] = {NULL};
  int names = 0;
  for (; names < 3 && argv[names + 1] && strchr(argv[names], '='); names++) environment[names] = argv[names];
  return spawn_in(environment, argv + names, in, out, err);
}

static int console_listen(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof a.sun_path) return -1;
  strcpy(a.sun_path, path);
  unlink(path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1) < 0) return -1;
  return fd;
}

/* The runtime sends the terminal's master over the console socket. */
static void receive_console(struct process *p) {
  int peer = accept4(p->console, NULL, NULL, SOCK_CLOEXEC);
  if (peer < 0) return;
  char byte[256], control[CMSG_SPACE(sizeof(int))];
  struct iovec io = {byte, sizeof byte};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(peer, &m, MSG_CMSG_CLOEXEC) >= 0) {
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
      memcpy(&p->out[0], CMSG_DATA(c), sizeof(int));
      fcntl(p->out[0], F_SETFL, O_NONBLOCK);
      if (p->has_stdin) p->in = fcntl(p->out[0], F_DUPFD_CLOEXEC, 3);
    }
  }
  close(peer);
  close_fd(&p->console);
  unlink(p->console_path);
}

static void fail_start(struct process *p, int status, const char *why) {
  tell_text('F', p->handle, "%d\x1f%s", status, why);
}

static void finish(void);

/* Flags (t terminal, i stdin, a attached), pid file, console socket, argv. Frees `payload` in the end, if there is one. */
static void start_process(uint16_t handle, struct strings *s, char *payload) {
  struct process *p = calloc(1, sizeof *p);
  const char *flags = next_string(s);
  *p = (struct process){.handle = handle, .in = -1, .out = {-1, -1}, .console = -1, .payload = payload};
  p->log[0].name = "stdout";
  p->log[1].name = "stderr";
  p->pid_file = next_string(s);
  p->console_path = next_string(s);
  p->argv = next_list(s);
  if (!p->argv || !p->argv[0] || process_count == MAX_PROCESSES) {
    fail_start(p, 125, "the request is not well-formed, or there are too many processes");
    p->console_path = "";
    forget(p);
    return;
  }
  p->terminal = strchr(flags, 't');
  p->has_stdin = strchr(flags, 'i');
  p->attached = strchr(flags, 'a');
  processes[process_count++] = p;
  if (handle >= next_handle) next_handle = (uint16_t)(handle + 1);
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool ok = pipe2(err, O_CLOEXEC) == 0;
  if (p->terminal) {
    p->console = console_listen(p->console_path);
    ok = ok && p->console >= 0;
  } else {
    ok = ok && pipe2(out, O_CLOEXEC) == 0 && (!p->has_stdin || pipe2(in, O_CLOEXEC) == 0);
  }
  unlink(p->pid_file);
  if (ok) p->runtime = spawn(p->argv, in[0] >= 0 ? in[0] : null, out[1] >= 0 ? out[1] : null, err[1]);
  if (!ok || p->runtime < 0) fail_start(p, 125, strerror(errno));
  close_fd(&null);
  close_fd(&in[0]);
  close_fd(&out[1]);
  close_fd(&err[1]);
  p->out[0] = out[0];
  p->out[1] = err[0];
  p->in = in[1];
  int fds[] = {p->in, p->out[0], p->out[1]};
  for (int i = 0; i < 3; i++)
    if (fds[i] >= 0) fcntl(fds[i], F_SETFL, O_NONBLOCK);
  if (ok && p->runtime >= 0) return;
  forget(p);
  if (handle == 0) finish();
}

/* The runtime has ended: the process runs now and is ours, or the runtime said on its standard error why not. */
static void runtime_ended(struct process *p, int status) {
  char text[4096] = "";
  p->runtime = 0;
  if (p->console >= 0 && status == 0) receive_console(p);
  if (status == 0 && read_small_file(p->pid_file, text, 32) > 0) p->pid = atoi(text);
  if (p->pid <= 0) {
    ssize_t n = p->out[1] >= 0 ? read(p->out[1], text, sizeof text - 1) : 0;
    text[n > 0 ? n : 0] = 0;
    fail_start(p, status ? exit_code(status) : 125, text);
    bool first = p->handle == 0;
    forget(p);
    if (first) finish();
    return;
  }
  p->started = true;
  int64_t now = now_ns();
  if (p->terminal) close_fd(&p->out[1]);
  if (p->handle == 0) {
    started_ns = now;
    oom_watch(memory_cgroup, memory_cgroup_version); /* Made by the runtime. */
  }
  tell_text('S', p->handle, "%d\x1f%lld", p->pid, (long long)now);
}

static void process_died(struct process *p, int status) {
  p->dead = true;
  p->status = status;
  p->died_ns = now_ns();
  p->quiet_at = monotonic_ms() + QUIET_MS;
  p->drain_at = monotonic_ms() + DRAIN_MS;
  close_fd(&p->in);
  drop_stdin(p);
  if (p->handle == 0) {
    exited_ns = p->died_ns;
    memory_peak = oom_read_peak(memory_cgroup, memory_cgroup_version);
    if (oom_check()) tell('M', 0, 0, "", 0);
  }
}

/* Known children first: a process that ended quickly is a stranger until its runtime has given us its pid. */
static void reap(void) {
  struct signalfd_siginfo info;
  while (read(signals, &info, sizeof info) > 0) {
  }
  int status;
  bool starting = false;
  for (int i = process_count - 1; i >= 0; i--) {
    struct process *p = processes[i];
    if (p->runtime > 0 && waitpid(p->runtime, &status, WNOHANG) == p->runtime) runtime_ended(p, status);
    else if (p->runtime > 0) starting = true;
  }
  for (int i = 0; i < process_count; i++) {
    struct process *p = processes[i];
    if (p->started && !p->dead && waitpid(p->pid, &status, WNOHANG) == p->pid) process_died(p, status);
  }
  if (delete_pid > 0 && waitpid(delete_pid, &status, WNOHANG) == delete_pid) delete_pid = -1;
  if (starting) return;
  for (;;) {
    siginfo_t stranger = {0};
    if (waitid(P_ALL, 0, &stranger, WEXITED | WNOHANG | WNOWAIT) < 0 || stranger.si_pid == 0) return;
    bool known = stranger.si_pid == delete_pid;
    for (int i = 0; i < process_count; i++) known |= processes[i]->started && processes[i]->pid == stranger.si_pid && !processes[i]->dead;
    if (known) return reap();
    waitpid(stranger.si_pid, NULL, WNOHANG);
  }
}

/* ---- streams ---- */

static bool read_output(struct process *p, int which) {
  static char chunk[65536];
  ssize_t n = read(p->out[which], chunk, sizeof chunk);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) { /* A terminal answers EIO when nobody has it open any more. */
    close_fd(&p->out[which]);
    if (p->handle == 0) log_end(&p->log[which]);
    return false;
  }
  p->quiet_at = monotonic_ms() + QUIET_MS;
  if (p->handle == 0) log_add(&p->log[which], chunk, (size_t)n);
  if (p->attached) tell('O', which + 1, p->handle, chunk, (size_t)n);
  return true;
}

static void write_stdin(struct process *p) {
  size_t size = buffer_size(&p->stdin_waits);
  if (size > 0) {
    ssize_t n = write(p->in, p->stdin_waits.data + p->stdin_waits.start, size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) {
      close_fd(&p->in);
      return drop_stdin(p);
    }
    uint32_t written = (uint32_t)n;
    buffer_drop(&p->stdin_waits, written);
    tell('W', 0, p->handle, &written, sizeof written);
  }
  if (p->close_stdin && buffer_size(&p->stdin_waits) == 0) {
    if (p->terminal) (void)!write(p->in, "\4", 1); /* A terminal has no end; its end of file is a character. */
    close_fd(&p->in);
  }
}

/* Output is complete when the pipes are at their end, or silent, after the process died. */
static bool drained(struct process *p) {
  if (p->out[0] < 0 && p->out[1] < 0) return true;
  int64_t now = monotonic_ms();
  return now >= p->quiet_at || now >= p->drain_at;
}

/* ---- the end of the container ---- */

static void write_exit_record(const struct process *p) {
  char text[160], temporary[4200];
  int n = snprintf(text, sizeof text, "{\"exitCode\":%d,\"oomKilled\":%s,\"exitedAtNs\":\"%lld\"}\n",
                   exit_code(p->status), oom_happened() ? "true" : "false", (long long)p->died_ns);
  /* With a daemon, it commits the exit in its database; without, this file is the only record of it. */
  bool alone = connection < 0;
  const char *path = alone ? lasting_exit_path : exit_path;
  snprintf(temporary, sizeof temporary, "%s.new", path);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  bool ok = write_all(fd, text, (size_t)n);
  if (alone) fsync(fd);
  close(fd);
  if (ok) rename(temporary, path);
}

static void finish(void) {
  if (finishing) return;
  finishing = true;
  if (!delete_argv || !delete_argv[0]) return;
  if (*state_folder && cgroups && remove_remains(cgroups, state_folder)) return;
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  delete_pid = spawn(delete_argv, null, null, null);
  close(null);
}

/*
 * The mounts go with this process's namespace. That is left to its exit, after the daemon was told: the kernel writes all
 * dirty data of the disk when an overlay is unmounted, which can take seconds and concerns nobody.
 */
static _Noreturn void leave(void) {
  tell('G', 0, 0, "", 0);
  flush_outgoing();
  while (connection >= 0 && buffer_size(&outgoing) > 0) {
    struct pollfd wait = {connection, POLLOUT, 0};
    poll(&wait, 1, -1);
    flush_outgoing();
  }
  unlink(socket_path);
  close_fd(&connection);
  _exit(0);
}

static void settle(void) {
  for (int i = 0; i < process_count; i++) {
    struct process *p = processes[i];
    if (!p->dead || p->reported || !drained(p)) continue;
    if (p->handle == 0) {
      log_end(&p->log[0]);
      log_end(&p->log[1]);
      write_exit_record(p);
    }
    p->reported = true;
    tell_exit(p);
    if (p->handle == 0) {
      flush_outgoing();
      finish();
    } else {
      forget(p);
      i--;
    }
  }
}

/* ---- from the daemon ---- */

static struct process *find(uint16_t handle) {
  for (int i = 0; i < process_count; i++)
    if (processes[i]->handle == handle) return processes[i];
  return NULL;
}

/*
 * Cookie, exit record with a daemon, the one without, log path, its size, its files, memory cgroup, its version, state folder
 * (or none, when only the runtime can delete), cgroups, delete argv, then as start_process.
 */
static void start_container(char *payload, size_t size) {
  struct strings s = {payload, payload + size};
  char *texts[9];
  for (int i = 0; i < 9; i++)
    if (!(texts[i] = next_string(&s))) _exit(1);
  cgroups = next_list(&s);
  delete_argv = next_list(&s);
  begun = true;
  if (delete_argv && delete_argv[0]) rootfs_protect(delete_argv[0]);
  cookie = texts[0];
  exit_path = texts[1];
  lasting_exit_path = texts[2];
  memory_cgroup = texts[6];
  memory_cgroup_version = atoi(texts[7]);
  state_folder = texts[8];
  unlink(exit_path);
  unlink(lasting_exit_path);
  log_open(texts[3], atoll(texts[4]), atoi(texts[5]));
  start_process(0, &s, NULL); /* The strings live as long as the shim. */
}

/* What a process has written up to now is told before the answer: a pipe holds less than these reads take. */
static void drain(struct process *p) {
  for (int w = 0; w < 2; w++)
    for (int i = 0; i < 4 && p->started && p->out[w] >= 0 && read_output(p, w); i++) continue;
}

static void graft(uint16_t handle, char *data, size_t size) {
  struct process *first = find(0);
  struct strings s = {data, data + size};
  char why[512] = "the container does not run";
  bool ok = first && first->started && !first->dead && rootfs_graft(rootfs_path, first->pid, &s, why, sizeof why);
  tell_text('T', handle, "%s", ok ? "" : why);
}

static void receive(struct header h, char *data) {
  struct process *p = find(h.handle);
  uint32_t size = h.size;
  switch (h.type) {
  case 'B': /* begin */
  case 'E': { /* exec */
    char *payload = malloc(size);
    if (!payload) return disconnect();
    memcpy(payload, data, size);
    struct strings s = {payload, payload + size};
    if (h.type == 'E') start_process(h.handle, &s, payload);
    else if (!begun) start_container(payload, size);
    return;
  }
  case 'I':
    if (!p || p->in < 0 || p->close_stdin) tell('W', 0, h.handle, &size, sizeof size);
    else if (!buffer_add(&p->stdin_waits, data, size)) disconnect();
    return;
  case 'C':
    if (p && p->in >= 0) p->close_stdin = true;
    return;
  case 'R':
    if (p && p->terminal && p->out[0] >= 0 && size == 4) {
      struct winsize w = {0};
      memcpy(&w.ws_row, data, 2);
      memcpy(&w.ws_col, data + 2, 2);
      ioctl(p->out[0], TIOCSWINSZ, &w);
    }
    return;
  case 'K':
    if (p && p->started && !p->dead && size == 4) {
      int32_t number;
      memcpy(&number, data, 4);
      kill(p->pid, number);
    }
    return;
  case 'A':
    if (p) p->attached = h.stream != 0;
    return;
  case 'T':
    return graft(h.handle, data, size);
  case 'Y':
    if (p) drain(p);
    return tell('Y', 0, h.handle, "", 0);
  case 'P': /* Someone who is attached is slow. What a dead process left in its pipe is read all the same. */
    if (p) p->held = h.stream != 0;
    return;
  }
}

static void read_connection(void) {
  static char chunk[65536];
  ssize_t n = recv(connection, chunk, sizeof chunk, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  /* A sandbox that is given up: the connection closes with our end, so that whoever waits for it finds all undone. */
  if (n <= 0 && !begun) leave();
  if (n <= 0 || !buffer_add(&incoming, chunk, (size_t)n)) return disconnect();
  struct header h;
  while (connection >= 0 && buffer_size(&incoming) >= sizeof h) {
    memcpy(&h, incoming.data + incoming.start, sizeof h);
    if (h.size > IN_LIMIT) return disconnect();
    if (buffer_size(&incoming) < sizeof h + h.size) return;
    receive(h, incoming.data + incoming.start + sizeof h);
    buffer_drop(&incoming, sizeof h + h.size);
  }
}

static void accept_connection(void) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  disconnect();
  connection = fd;
  connected_once = true;
  tell_state();
}

/* ---- the loop ---- */

static int timeout_ms(void) {
  int64_t next = -1, now = monotonic_ms();
#define EARLIEST(t) next = next < 0 || (t) < next ? (t) : next
  if (!connected_once) EARLIEST(give_up_at);
  if (oom_recheck_at) EARLIEST(oom_recheck_at);
  bool held = buffer_size(&outgoing) > OUT_LIMIT;
  for (int i = 0; i < process_count && !held; i++) {
    struct process *p = processes[i];
    if (p->dead && !p->reported) EARLIEST(p->quiet_at < p->drain_at ? p->quiet_at : p->drain_at);
  }
#undef EARLIEST
  return next < 0 ? -1 : next <= now ? 0 : (int)(next - now);
}

struct source {
  void (*read)(struct process *, int);
  struct process *process;
  int which;
};

static void on_console(struct process *p, int which) {
  (void)which;
  receive_console(p);
}
static void on_output(struct process *p, int which) { read_output(p, which); }
static void on_stdin(struct process *p, int which) {
  (void)which;
  write_stdin(p);
}

/* The kernel says that it will kill before it has; so the count is looked at a little later, too. */
static void look_for_oom(bool event) {
  int64_t now = monotonic_ms();
  if (event) oom_recheck_end = now + 500;
  if (oom_check()) {
    tell('M', 0, 0, "", 0);
    oom_recheck_end = 0;
  }
  oom_recheck_at = now < oom_recheck_end ? now + 20 : 0;
}

static void turn(void) {
  static struct pollfd fds[4 + 4 * MAX_PROCESSES];
  static struct source sources[4 + 4 * MAX_PROCESSES];
  int n = 0;
#define WATCH(f, e, r, p, w)                     \
  do {                                           \
    fds[n] = (struct pollfd){f, e, 0};           \
    sources[n++] = (struct source){r, p, w};     \
  } while (0)
  WATCH(signals, POLLIN, NULL, NULL, 0);
  WATCH(listener, POLLIN, NULL, NULL, 0);
  WATCH(connection, POLLIN | (buffer_size(&outgoing) ? POLLOUT : 0), NULL, NULL, 0);
  WATCH(oom_fd(), POLLIN, NULL, NULL, 0);
  bool held = buffer_size(&outgoing) > OUT_LIMIT;
  for (int i = 0; i < process_count; i++) {
    struct process *p = processes[i];
    if (p->console >= 0) WATCH(p->console, POLLIN, on_console, p, 0);
    for (int w = 0; w < 2; w++)
      if (p->started && !p->reported && p->out[w] >= 0 && !held && (!p->held || p->dead)) WATCH(p->out[w], POLLIN, on_output, p, w);
    if (p->started && p->in >= 0 && (buffer_size(&p->stdin_waits) || p->close_stdin)) WATCH(p->in, POLLOUT, on_stdin, p, 0);
  }
#undef WATCH
  int ready = poll(fds, (nfds_t)n, timeout_ms());
  for (int i = 4; ready > 0 && i < n; i++) /* Processes are only forgotten below, in reap and settle. */
    if (fds[i].revents) sources[i].read(sources[i].process, sources[i].which);
  if (fds[3].revents) look_for_oom(true);
  else if (oom_recheck_at && monotonic_ms() >= oom_recheck_at) look_for_oom(false);
  if (fds[0].revents) reap();
  if (fds[2].revents & (POLLIN | POLLHUP | POLLERR)) read_connection();
  if (fds[1].revents) accept_connection();
  settle();
  flush_outgoing();
}

/* An exec'd process that ended with the container still has output to deliver. */
static bool undelivered(void) {
  for (int i = 0; i < process_count; i++)
    if (processes[i]->dead && !processes[i]->reported) return true;
  return false;
}

_Noreturn void shim_main(int listen_fd, const char *path, struct rootfs *r) {
  listener = listen_fd;
  socket_path = path;
  rootfs_path = r->path;
  signal(SIGCHLD, SIG_DFL);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  give_up_at = monotonic_ms() + CONNECT_MS;
  bool mounted = rootfs_enter_namespace(r, failure, sizeof failure) && rootfs_mount(r, failure, sizeof failure);
  for (;;) {
    turn();
    if (finishing && delete_pid <= 0 && !undelivered()) leave();
    if (!connected_once && monotonic_ms() >= give_up_at) leave();
    if (!begun && connected_once && connection < 0) leave();
    if (!mounted && connected_once) leave();
  }
}
