/* What a compiler makes of loops, structs, tables and calls.
 *
 * The globals below are what the tests compare after `main` has returned.
 */

typedef unsigned int word;
typedef unsigned char byte;

struct node {
	struct node *next;
	short key;
	byte tag;
	signed char sign;
	struct { word low, high; } pair;
};

struct node pool[12];
struct node *list;
int numbers[16] = { 5, -3, 900, 1, 77, -2, 8, 40000, -9, 12, 3, 3, 6, 0, 1, 2 };
int chosen[24];
const char text[] = "deliver \"at once\", or later?\n\001";
char copy[40];
byte bits[9];
word results[20];
static word seed = 12345;
int depth;
const char native[] = "native", software[] = "software";
const char hardware[] = "hardware";
const char *const names[] = { native, software, hardware };
const char *found;

static word draw(void)
{
	seed = seed * 1103515245u + 12345u;
	return seed >> 16;
}

static int choose(int which, int value)
{
	switch (which) {
	case 0: return value + 1;
	case 1: return value * 7;
	case 2: return value / 3;
	case 3: return value % 10;
	case 4: return -value;
	case 5: return ~value;
	case 6: return value << 3;
	case 7: return value >> 2;
	case 9: return value > 0 ? value : 0;
	default: return which;
	}
}

static int twice(int which, int value)
{
	return choose(which, choose(which, value));
}

int (*operations[])(int, int) = { choose, twice };

static void sort(int *first, int count)
{
	for (int i = 1; i < count; i++) {
		int value = first[i], j = i;
		while (j && first[j - 1] > value) {
			first[j] = first[j - 1];
			j--;
		}
		first[j] = value;
	}
}

void *fill(void *to, int value, word count)
{
	byte *place = to;
	while (count--)
		*place++ = value;
	return to;
}

static word measure(const char *from)
{
	const char *end = from;
	while (*end)
		end++;
	return end - from;
}

static word check(const byte *from, word count)
{
	word sum = ~0u;
	while (count--) {
		sum ^= *from++;
		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320u : 0);
	}
	return ~sum;
}

static int recurse(int left)
{
	if (left > depth)
		depth = left;
	return left < 2 ? left : recurse(left - 1) + recurse(left - 2);
}

static void link(void)
{
	for (int i = 0; i < 12; i++) {
		struct node *each = &pool[draw() % 12];
		if (each->tag)
			continue;
		each->key = -i * 1000;
		each->tag = i + 1;
		each->sign = i & 1 ? -1 : 1;
		each->pair.low = draw();
		each->pair.high = each->pair.low * each->sign;
		each->next = list;
		list = each;
	}
}

static unsigned long long multiply(word left, word right)
{
	return (unsigned long long)left * right + 0x1ffffffffull;
}

static int classify(int value)
{
	int table[32] = { 0 };
	for (int i = 0; i < 64; i++)
		table[draw() & 31] += value;
	return table[value & 31] - table[31];
}

int main(void)
{
	sort(numbers, 16);
	for (int i = 0; i < 24; i++)
		chosen[i] = operations[i & 1](i >> 1, numbers[i & 15]);
	fill(copy, '.', sizeof copy);
	for (word i = 0; i < measure(text); i++)
		copy[i] = text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i];
	link();
	for (struct node *each = list; each; each = each->next)
		bits[each->tag >> 3] |= 1 << (each->tag & 7);
	results[0] = check((const byte *)text, sizeof text);
	results[1] = recurse(9);
	unsigned long long wide = multiply(results[0], 0xfffffff1u);
	results[2] = wide;
	results[3] = wide >> 32;
	results[4] = (wide >> 5) + (wide << 7);
	results[5] = classify(7);
	for (int i = 0; i < 3; i++)
		if (measure(names[i]) == 8 && !found)
			found = names[i];
	struct node copied = pool[3];
	copied.pair.low ^= 0xffff;
	pool[5] = copied;
	results[6] = (signed char)results[0] * (short)results[2];
	results[7] = results[0] / 1000u + results[2] % 77u;
	return results[0] == check((const byte *)text, sizeof text);
}
