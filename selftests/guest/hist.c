// SPDX-License-Identifier: GPL-2.0
/* See hist.h. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hist.h"
#include "pvtlb.h"
#include "tool.h"

static char instance[64];
static char trigger[160];
static char hist[160];
static char begin[160];
static char clear[168];
static char end[168];

void hist_begin(const char *event, const char *keys)
{
	if (access(TRACEFS "/instances", W_OK) &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		die_errno("cannot mount tracefs at " TRACEFS);

	snprintf(instance, sizeof(instance), TRACEFS "/instances/pvtlb-%d", getpid());
	snprintf(trigger, sizeof(trigger), "%s/events/%s/trigger", instance, event);
	snprintf(hist, sizeof(hist), "%s/events/%s/hist", instance, event);
	snprintf(begin, sizeof(begin), "hist:%s", keys);
	snprintf(clear, sizeof(clear), "%s:clear", begin);
	snprintf(end, sizeof(end), "!%s", begin);

	if (mkdir(instance, 0700))
		die_errno("cannot make the trace instance %s", instance);
	if (!write_file(trigger, begin)) {
		rmdir(instance);
		die_errno("this kernel cannot count %s (CONFIG_HIST_TRIGGERS)", event);
	}
}

void hist_end(void)
{
	write_file(trigger, end);
	rmdir(instance);
}

void hist_clear(void)
{
	if (!write_file(trigger, clear))
		die_errno("%s", trigger);
}

FILE *hist_open(void)
{
	FILE *file = fopen(hist, "re");

	if (!file)
		die_errno("%s", hist);
	return file;
}

bool hist_is_dropped(const char *line)
{
	uint64_t hits;

	if (sscanf(line, " Dropped: %" SCNu64, &hits) != 1)
		return false;
	if (hits)
		die("%" PRIu64 " events were lost", hits);
	return true;
}
