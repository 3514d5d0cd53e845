#include "guest.h"
int run_bench(const struct exporter *e, unsigned int c) {(void)e;(void)c; return 1;}
