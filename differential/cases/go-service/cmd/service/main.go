package main

import (
	"fmt"

	"example.com/service/internal/greet"
)

var version = "unset"

func main() { fmt.Println(greet.Word(), version) }
