/* The command `shoal-collector decode`: frames from files or from a store, in words. */
#ifndef SHOAL_COLLECTOR_DECODE_H
#define SHOAL_COLLECTOR_DECODE_H

#include <stdio.h>

/* Arguments as after the word decode, argv[0] being that word. Returns the exit status. */
int decode_command(int argc, char **argv, FILE *out, FILE *complaints);

#endif
