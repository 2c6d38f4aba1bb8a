// SPDX-License-Identifier: GPL-2.0
#include "swap.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <unistd.h>

#define RAM_DISK	"/dev/ram0"
#define PAGE		4096
#define MAGIC		"SWAPSPACE2"

static bool is_ours;

/* What mkswap writes; the rest of the first page is zero. */
struct header {
	uint8_t boot_blocks[1024];
	uint32_t version;
	uint32_t last_page;
	uint8_t unused[PAGE - 1024 - 2 * sizeof(uint32_t) - (sizeof(MAGIC) - 1)];
	char magic[sizeof(MAGIC) - 1];
};

static bool has_swap(void)
{
	int fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
	char text[1024] = "", *end;

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	/* The first line is a heading. */
	end = strchr(text, '\n');
	return end && end[1];
}

static const char *make_swap(int fd)
{
	struct header header = { .version = 1 };
	static const struct header empty;
	uint64_t size;

	if (ioctl(fd, BLKGETSIZE64, &size) ||
	    pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return "no swap, and " RAM_DISK " cannot be read";
	if (memcmp(&header, &empty, sizeof(header)) &&
	    memcmp(header.magic, MAGIC, sizeof(header.magic)))
		return "no swap, and something is in " RAM_DISK;
	header.version = 1;
	header.last_page = size / PAGE - 1;
	memcpy(header.magic, MAGIC, sizeof(header.magic));
	if (pwrite(fd, &header, sizeof(header), 0) != sizeof(header) || fsync(fd))
		return "no swap, and " RAM_DISK " cannot be written";
	return NULL;
}

const char *swap_on(void)
{
	const char *why;
	int fd;

	if (has_swap())
		return NULL;
	fd = open(RAM_DISK, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "no swap and no " RAM_DISK;
	why = make_swap(fd);
	close(fd);
	if (!why && swapon(RAM_DISK, 0))
		why = "swapon " RAM_DISK " failed";
	is_ours = !why;
	return why;
}

void swap_off(void)
{
	if (is_ours)
		swapoff(RAM_DISK);
}
