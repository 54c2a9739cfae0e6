/* Certificates for tests of TLS, made on the spot. Functions fail the running test. */
#ifndef SHOAL_TESTS_CERTIFICATES_H
#define SHOAL_TESTS_CERTIFICATES_H

#include <stdbool.h>

struct certificate {
    const char *name;      /* of its files and its subject */
    const char *issuer;    /* the name of one made before; NULL: signed by itself */
    const char *alt_names; /* "DNS:localhost,IP:127.0.0.1", or NULL */
    bool is_authority;
    long from_s, until_s; /* validity, from now */
};

/* Writes DIR/NAME.pem and DIR/NAME.key. */
void certificate_make(const char *dir, const struct certificate *certificate);

#endif
