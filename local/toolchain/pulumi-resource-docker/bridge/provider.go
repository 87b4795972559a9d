// Package bridge maps the Terraform Docker provider onto the tokens and
// property names of the pulumi-docker SDK, so that a stack can move between
// this plugin and the vendor's without a diff.
package bridge

import (
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// Package is the Pulumi package that the plugin serves.
const Package = "docker"

// Version is the version of the pulumi-docker SDK whose contract the plugin
// keeps. The linker sets it from the pin, so it lives in one place.
var Version = "0.0.0"

// longestName is Docker's limit for the names of its objects as the SDK's own
// auto-naming uses it.
const longestName = 255

// token gives the Pulumi token of a type or function: the module is the name
// with a small first letter.
func token(name string) string {
	module := strings.ToLower(name[:1]) + name[1:]
	return Package + ":index/" + module + ":" + name
}

func resource(name string) *tfbridge.ResourceInfo {
	return &tfbridge.ResourceInfo{Tok: tokens.Type(token(name))}
}

func dataSource(name string) *tfbridge.DataSourceInfo {
	return &tfbridge.DataSourceInfo{Tok: tokens.ModuleMember(token(name))}
}

// Provider returns the mapping for the bridge. Properties follow the bridge's
// own rule (camelCase, lists in the plural) except where the SDK differs.
func Provider() tfbridge.ProviderInfo {
	container := resource("Container")
	// Two containers cannot hold one name or one host port.
	container.DeleteBeforeReplace = true
	container.Fields = map[string]*tfbridge.SchemaInfo{
		"command":           {Name: "command"},
		"networks_advanced": {Name: "networksAdvanced"},
	}

	// The SDK asks for the name of an image: it is a reference, not a label.
	image := resource("RemoteImage")
	image.Fields = map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}}

	info := tfbridge.ProviderInfo{
		P:       sdkv2.NewProvider(provider.New(Version)()),
		Name:    Package,
		Version: Version,
		Config: map[string]*tfbridge.SchemaInfo{
			"registry_auth": {Name: "registryAuth"},
			"host":          {Default: &tfbridge.DefaultInfo{EnvVars: []string{"DOCKER_HOST"}}},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_buildx_builder": resource("BuildxBuilder"),
			"docker_config":         resource("ServiceConfig"),
			"docker_container":      container,
			"docker_image":          image,
			"docker_network":        resource("Network"),
			"docker_plugin":         resource("Plugin"),
			"docker_registry_image": resource("RegistryImage"),
			"docker_secret":         resource("Secret"),
			"docker_service":        resource("Service"),
			"docker_tag":            resource("Tag"),
			"docker_volume":         resource("Volume"),
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"docker_image":                    dataSource("getRemoteImage"),
			"docker_logs":                     dataSource("getLogs"),
			"docker_network":                  dataSource("getNetwork"),
			"docker_plugin":                   dataSource("getPlugin"),
			"docker_registry_image":           dataSource("getRegistryImage"),
			"docker_registry_image_manifests": dataSource("getRegistryImageManifests"),
		},
	}
	info.SetAutonaming(longestName, "-")
	return info
}
