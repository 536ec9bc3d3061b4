/* What the files of slipway-shim share. Protocol: see packages/runtime/src/shim/protocol.ts, its other end. */
#ifndef SLIPWAY_SHIM_H
#define SLIPWAY_SHIM_H
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* util.c */
struct buffer {
  char *data;
  size_t start, end, capacity;
};
size_t buffer_size(const struct buffer *b);
bool buffer_add(struct buffer *b, const void *data, size_t size);
/* Forgets `size` bytes at the front; the memory is given back when nothing is left. */
void buffer_drop(struct buffer *b, size_t size);
int64_t now_ns(void);
int64_t monotonic_ms(void);
/* Reads a small file into `out` with a NUL at its end; the number of bytes, or -1. */
ssize_t read_small_file(const char *path, char *out, size_t capacity);
bool write_all(int fd, const void *data, size_t size);

/* A message's payload is a row of NUL-terminated strings. */
struct strings {
  char *at, *end;
};
char *next_string(struct strings *s);
/* A count, then that many strings; a NULL-terminated array to be freed, or NULL. */
char **next_list(struct strings *s);

/* rootfs.c: everything is mounted in this process's own mount namespace. Errors are described in `why`. */
struct rootfs {
  char *path;
  char **lower;
  char *upper, *work, *options;
  char **binds; /* source, target, source, target, … */
  char **disks; /* template, target, … */
  char **shared; /* source on the host, a path that is free for it, … */
};
/* Nothing that is mounted here from then on reaches the host, but for what is mounted below a path of `shared`. */
bool rootfs_enter_namespace(const struct rootfs *r, char *why, size_t why_size);
/* A program that a container could otherwise reach through /proc/PID/exe. */
void rootfs_protect(const char *program);
bool rootfs_mount(const struct rootfs *r, char *why, size_t why_size);
/*
 * Puts folders, read-only, into a container that runs. `s` holds options of a remount of its /tmp, or nothing; the template of
 * a disk that takes the place of the one at its /tmp, or nothing; and for each graft the target and the list of folders, top
 * first. `root` is where its root file system is mounted here.
 */
bool rootfs_graft(char *root, pid_t container, struct strings *s, char *why, size_t why_size);

/*
 * disk.c: a file system of its own, empty and for everyone to write to, in a copy of `template` on a loop device: a tree that
 * is mounted nowhere. When the last mount of it goes, so do the device and the file.
 */
int disk_open(const char *template, char *why, size_t why_size);
/* Makes a new file system a template, in place: for everyone to write to, and empty. The exit code. */
int disk_finish(const char *template);

/* log.c: Docker's json-file format. */
struct log_stream {
  const char *name;
  char *line; /* An unfinished line of at most LOG_LINE_BYTES. */
  size_t length;
};
void log_open(const char *path, int64_t max_size, int max_files);
void log_add(struct log_stream *s, const char *data, size_t size);
/* Writes out an unfinished line, at the end of a stream. */
void log_end(struct log_stream *s);

/* oom.c */
void oom_watch(const char *cgroup, int version);
int oom_fd(void);
/* Clears the event and tells whether another process was killed since the last call. */
bool oom_check(void);
bool oom_happened(void);
/* The most memory that the cgroup used, in bytes; 0 when the kernel does not tell. */
int64_t oom_read_peak(const char *cgroup, int version);

/*
 * remains.c: takes away what a runtime whose ways are known leaves of a container that has ended. False when something
 * holds it: then the runtime has to do it.
 */
bool remove_remains(char **cgroups, const char *state_folder);

/* gate.c: the exit code, when there is nothing to become. */
int gate(void);

/* shim.c */
_Noreturn void shim_main(int listen_fd, const char *socket_path, struct rootfs *rootfs);
#endif
