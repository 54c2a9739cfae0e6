#include "tests/unit/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static FILE *open_file(const char *dir, const char *name, const char *suffix, const char *mode)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    return file;
}

static void save(const char *dir, const char *name, const struct pair *pair)
{
    FILE *file = open_file(dir, name, ".pem", "w");
    assert_int_equal(PEM_write_X509(file, pair->certificate), 1);
    assert_int_equal(fclose(file), 0);
    file = open_file(dir, name, ".key", "w");
    assert_int_equal(PEM_write_PrivateKey(file, pair->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static void load(const char *dir, const char *name, struct pair *pair)
{
    FILE *file = open_file(dir, name, ".pem", "r");
    pair->certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    file = open_file(dir, name, ".key", "r");
    pair->key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    assert_true(pair->certificate != NULL && pair->key != NULL);
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void describe(X509 *x509, const struct certificate *certificate)
{
    X509_NAME *subject = X509_get_subject_name(x509);

    assert_int_equal(X509_set_version(x509, X509_VERSION_3), 1);
    /* Serial numbers of one issuer have to differ. */
    uint32_t serial = 1;
    for (const char *c = certificate->name; *c != '\0'; c++)
        serial = serial * 31 + (unsigned char)*c;
    assert_int_equal(ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x509), certificate->from_s));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x509), certificate->until_s));
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)certificate->name, -1, -1,
                                                0),
                     1);
    if (certificate->is_authority) {
        add_extension(x509, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(x509, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    if (certificate->alt_names != NULL)
        add_extension(x509, NID_subject_alt_name, certificate->alt_names);
}

void certificate_make(const char *dir, const struct certificate *certificate)
{
    struct pair pair = {.certificate = X509_new(), .key = EVP_EC_gen("P-256")};
    struct pair issuer = pair;

    assert_true(pair.certificate != NULL && pair.key != NULL);
    if (certificate->issuer != NULL)
        load(dir, certificate->issuer, &issuer);
    describe(pair.certificate, certificate);
    assert_int_equal(X509_set_pubkey(pair.certificate, pair.key), 1);
    assert_int_equal(
        X509_set_issuer_name(pair.certificate, X509_get_subject_name(issuer.certificate)), 1);
    assert_true(X509_sign(pair.certificate, issuer.key, EVP_sha256()) > 0);
    save(dir, certificate->name, &pair);
    if (certificate->issuer != NULL) {
        X509_free(issuer.certificate);
        EVP_PKEY_free(issuer.key);
    }
    X509_free(pair.certificate);
    EVP_PKEY_free(pair.key);
}
