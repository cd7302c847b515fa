package sum

// Of adds.
func Of(a, b int) int { return a + b }
