#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

size_t buffer_size(const struct buffer *b) { return b->end - b->start; }

bool buffer_add(struct buffer *b, const void *data, size_t size) {
  if (b->end + size > b->capacity && b->start > 0) {
    memmove(b->data, b->data + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
  }
  if (b->end + size > b->capacity) {
    size_t capacity = b->capacity ? b->capacity : 512;
    while (capacity < b->end + size) capacity *= 2;
    char *grown = realloc(b->data, capacity);
    if (!grown) return false;
    b->data = grown;
    b->capacity = capacity;
  }
  memcpy(b->data + b->end, data, size);
  b->end += size;
  return true;
}

void buffer_drop(struct buffer *b, size_t size) {
  b->start += size;
  if (b->start < b->end) return;
  free(b->data);
  *b = (struct buffer){0};
}

static int64_t clock_ns(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t now_ns(void) { return clock_ns(CLOCK_REALTIME); }
int64_t monotonic_ms(void) { return clock_ns(CLOCK_MONOTONIC) / 1000000; }

ssize_t read_small_file(const char *path, char *out, size_t capacity) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = read(fd, out, capacity - 1);
  close(fd);
  if (size >= 0) out[size] = 0;
  return size;
}

bool write_all(int fd, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

char *next_string(struct strings *s) {
  char *nul = s->at < s->end ? memchr(s->at, 0, (size_t)(s->end - s->at)) : NULL;
  if (!nul) return NULL;
  char *found = s->at;
  s->at = nul + 1;
  return found;
}

char **next_list(struct strings *s) {
  char *text = next_string(s);
  if (!text) return NULL;
  size_t count = strtoul(text, NULL, 10);
  if (count > (size_t)(s->end - s->at)) return NULL;
  char **list = calloc(count + 1, sizeof *list);
  for (size_t i = 0; list && i < count; i++) {
    if (!(list[i] = next_string(s))) {
      free(list);
      return NULL;
    }
  }
  return list;
}
