# SPDX-License-Identifier: GPL-2.0
# On top of selftests/lab/config: what the kernel's own mm selftests ask for.
CONFIG_NUMA=y
CONFIG_NUMA_EMU=y
CONFIG_SYSVIPC=y
CONFIG_IO_URING=y
CONFIG_CROSS_MEMORY_ATTACH=y
