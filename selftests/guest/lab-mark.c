// SPDX-License-Identifier: GPL-2.0
/* lab-mark NAME: one mark, for scripts. */
#include <string.h>

#include "lab_mark.h"
#include "tool.h"

static const char help[] =
"Usage: lab-mark NAME\n"
"Tells the lab that the interval NAME begins, with this guest's counters, and\n"
"returns when the lab has taken its own. Does nothing where the environment\n"
"variable LAB_CTL does not name the lab's control channel.\n";

int main(int argc, char **argv)
{
	help_option(argc, argv, help);
	if (argc != 2)
		usage_error("%d names given, exactly one is needed", argc - 1);
	if (!*argv[1] || strpbrk(argv[1], " \t\n"))
		usage_error("the name '%s' is empty or has white space in it",
			    argv[1]);
	lab_mark(argv[1]);
	return 0;
}
