#include "shim.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool remove_folder(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return errno == ENOENT;
  for (struct dirent *entry; (entry = readdir(folder));) unlinkat(dirfd(folder), entry->d_name, 0);
  closedir(folder);
  return rmdir(path) == 0;
}

bool remove_remains(char **cgroups, const char *state_folder) {
  for (char **path = cgroups; *path; path++)
    if (rmdir(*path) < 0 && errno != ENOENT) return false; /* Something lives there, or made cgroups of its own. */
  return remove_folder(state_folder);
}
