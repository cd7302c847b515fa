package sum

import "testing"

func TestOf(t *testing.T) {
	if Of(1, 2) != 3 {
		t.Fatal("wrong")
	}
}
