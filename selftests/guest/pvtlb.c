// SPDX-License-Identifier: GPL-2.0
#include "pvtlb.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(text);
	bool done = fd >= 0 && write(fd, text, len) == len;

	if (fd >= 0)
		close(fd);
	return done;
}

bool write_number(const char *path, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	return write_file(path, text);
}

bool pvtlb_counters(struct pvtlb_counters *sum)
{
	struct pvtlb_counters c;
	char line[512];
	FILE *file;

	memset(sum, 0, sizeof(*sum));
	if (!write_file(PVTLB_DIR "counting", "1"))
		return false;
	file = fopen(PVTLB_DIR "counters", "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		/* The first line is a heading. */
		if (sscanf(line, "%*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64 " %" SCNu64 " %" SCNu64, &c.hypercalls,
			   &c.entries, &c.full, &c.targets, &c.lazy,
			   &c.not_loaded, &c.self_only) != 7)
			continue;
		sum->hypercalls += c.hypercalls;
		sum->entries += c.entries;
		sum->full += c.full;
		sum->targets += c.targets;
		sum->lazy += c.lazy;
		sum->not_loaded += c.not_loaded;
		sum->self_only += c.self_only;
	}
	fclose(file);
	return true;
}

void pvtlb_since(struct pvtlb_counters *now, const struct pvtlb_counters *before)
{
	now->hypercalls -= before->hypercalls;
	now->entries -= before->entries;
	now->full -= before->full;
	now->targets -= before->targets;
	now->lazy -= before->lazy;
	now->not_loaded -= before->not_loaded;
	now->self_only -= before->self_only;
}

bool pvtlb_fallbacks(const char *reason, uint64_t *count)
{
	FILE *file = fopen(PVTLB_DIR "fallbacks", "re");
	bool found = false;
	char name[64];

	if (!file)
		return false;
	while (!found && fscanf(file, "%63s %" SCNu64, name, count) == 2)
		found = !strcmp(name, reason);
	fclose(file);
	return found;
}

bool pvtlb_fallbacks_of_cpus(const char *reason, uint64_t *sum)
{
	FILE *file = fopen(PVTLB_DIR "counters", "re");
	unsigned int column = 0, i;
	char heading[64], line[512], *word, *rest;

	if (!file)
		return false;
	*sum = 0;
	snprintf(heading, sizeof(heading), "fallback_%s", reason);
	while (fgets(line, sizeof(line), file)) {
		rest = line;
		for (i = 0; (word = strsep(&rest, " \n")); i++) {
			if (!strcmp(word, heading))
				column = i;
			else if (column && i == column)
				*sum += strtoull(word, NULL, 10);
		}
	}
	fclose(file);
	return column;
}
