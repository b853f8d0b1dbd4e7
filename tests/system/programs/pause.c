/* pause.c - the smallest service there is: it waits to be asked to go. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
