/* SHA-256 of a piece of memory, after FIPS 180-4 ("Secure Hash Standard"), sections 4.2.2, 5.3.3 and 6.2. */
#include <linux/sha256.h>
#include <linux/string.h>

#define BLOCK 64

static const u32 k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline u32 rotate(u32 word, int by)
{
	return word >> by | word << (32 - by);
}

/* The working variables a to h (0 to 7) move up by one each round: here the numbering moves instead. */
#define V(n) v[((n) - i) & 7]

static void do_block(u32 state[8], const u8 *data)
{
	u32 w[64], v[8], t1, t2;
	int i;

	for (i = 0; i < 16; i++, data += 4)
		w[i] = (u32) data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3];
	for (; i < 64; i++) {
		t1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
		t2 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
		w[i] = t1 + w[i - 7] + t2 + w[i - 16];
	}
	memcpy(v, state, sizeof(v));
	for (i = 0; i < 64; i++) {
		t1 = V(7) + (rotate(V(4), 6) ^ rotate(V(4), 11) ^ rotate(V(4), 25)) +
		     ((V(4) & V(5)) ^ (~V(4) & V(6))) + k[i] + w[i];
		t2 = (rotate(V(0), 2) ^ rotate(V(0), 13) ^ rotate(V(0), 22)) +
		     ((V(0) & V(1)) ^ (V(0) & V(2)) ^ (V(1) & V(2)));
		V(3) += t1;
		V(7) = t1 + t2;
	}
	for (i = 0; i < 8; i++)
		state[i] += v[i];
}

static void put_word(u8 *to, u32 word)
{
	to[0] = word >> 24;
	to[1] = word >> 16;
	to[2] = word >> 8;
	to[3] = word;
}

void sha256(const u8 *data, u32 size, u8 digest[SHA256_DIGEST_SIZE])
{
	u32 state[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	u8 last[2 * BLOCK];
	u32 rest = size % BLOCK, padded = rest + 9 > BLOCK ? 2 * BLOCK : BLOCK;
	u32 i;

	for (i = 0; i + BLOCK <= size; i += BLOCK)
		do_block(state, data + i);
	memset(last, 0, sizeof(last));
	memcpy(last, data + i, rest);
	last[rest] = 0x80;
	put_word(last + padded - 8, size >> 29);
	put_word(last + padded - 4, size << 3);
	for (i = 0; i < padded; i += BLOCK)
		do_block(state, last + i);
	for (i = 0; i < 8; i++)
		put_word(digest + 4 * i, state[i]);
}
