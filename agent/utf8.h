/*
 * Makes valid UTF-8 of text that the kernel, a device or a file gives as mere bytes, so that it can
 * be a label's value.
 */
#ifndef SHOAL_AGENT_UTF8_H
#define SHOAL_AGENT_UTF8_H

#include <stddef.h>

/* Room for any text of n bytes, its NUL counted: each may become U+FFFD. */
#define UTF8_REPAIRED_BYTES(n) (3 * (n))

/*
 * Copies text, each run of bytes that are not UTF-8 replaced by one U+FFFD (as Go's
 * strings.ToValidUTF8 does for node_exporter). What does not fit is cut off between characters;
 * out always ends with a NUL. out_bytes is at least 1.
 */
void utf8_repair(char *out, size_t out_bytes, const char *text);

#endif
