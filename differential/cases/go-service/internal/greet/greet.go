package greet

func Word() string { return "hello" }
