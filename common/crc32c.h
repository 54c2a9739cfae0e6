/* CRC-32C (Castagnoli), RFC 3720 appendix B.4: "123456789" gives 0xe3069283. */
#ifndef SHOAL_COMMON_CRC32C_H
#define SHOAL_COMMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`, the result for the bytes before (0 at the start). */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif
