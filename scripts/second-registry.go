// Serves the registry of go-containerregistry as `crane registry serve` does, and with the referrers API, which crane
// leaves off. scripts/second-registry compiles it.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	flags := flag.NewFlagSet("registry serve", flag.ExitOnError)
	address := flags.String("address", "127.0.0.1:0", "where to listen")
	disk := flags.String("disk", "", "directory of the blobs")
	flags.Parse(os.Args[3:])
	handler := registry.New(
		registry.WithReferrersSupport(true),
		registry.WithBlobHandler(registry.NewDiskBlobHandler(*disk)),
	)
	log.Fatal(http.ListenAndServe(*address, handler))
}
