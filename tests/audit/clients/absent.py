"""Never connects, and says so."""

import sys

sys.exit("the queue is full")
