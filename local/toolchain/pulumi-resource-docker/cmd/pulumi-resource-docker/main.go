// Command pulumi-resource-docker is the Docker plugin, built from Go modules
// where the vendor's cannot be downloaded.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"github.com/terraform-providers/terraform-provider-docker/pulumi/bridge"
)

// schema.json is not in the repository: the set-up generates it with
// cmd/tfgen in a copy of this folder.
//
//go:embed schema.json
var schema []byte

func main() {
	tfbridge.Main(bridge.Package, bridge.Version, bridge.Provider(), schema)
}
