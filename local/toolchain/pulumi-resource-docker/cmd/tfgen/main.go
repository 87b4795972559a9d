// Command tfgen writes the schema that the plugin embeds:
// tfgen schema --skip-docs --skip-examples --out DIR.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"

	"github.com/terraform-providers/terraform-provider-docker/pulumi/bridge"
)

func main() {
	tfgen.Main(bridge.Package, bridge.Version, bridge.Provider())
}
