"""The experiments of the thesis as jobs: each module defines the computation, the table and the figure of one."""
