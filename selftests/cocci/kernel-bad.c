// SPDX-License-Identifier: GPL-2.0
/* What the kernel's own rules must find, so that their silence means something. */

static int twice(int a)
{
	if (a == 1 || a == 1) /* finding */
		return 1;

	return 0;
}
