// Reads everything a Go client reads, page by page, and decodes it into gophercloud's types, which take no int for a
// string, no null for a time and no time in another form. Prints a line for each call that fails; exit status 1 then.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/aggregates"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/attachinterfaces"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/availabilityzones"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/diskconfig"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/extendedserverattributes"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/extendedstatus"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/hypervisors"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/instanceactions"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/keypairs"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/limits"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/quotasets"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/secgroups"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/serverusage"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/services"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/usage"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/credentials"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/roles"
	identityservices "github.com/gophercloud/gophercloud/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/members"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/agents"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/networkipavailabilities"
	networkquotas "github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/quotas"
	securitygroups "github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/pagination"
)

var failures int

func check(name string, err error) {
	if err != nil {
		failures++
		fmt.Printf("%s: %v\n", name, err)
	}
}

// list follows a pager to its end, decodes every page, and complains about fewer things than there must be.
func list[T any](name string, least int, pager pagination.Pager, extract func(pagination.Page) ([]T, error)) []T {
	var all []T
	check(name, pager.EachPage(func(page pagination.Page) (bool, error) {
		some, err := extract(page)
		all = append(all, some...)
		return err == nil, err
	}))
	if len(all) < least {
		check(name, fmt.Errorf("%d of at least %d", len(all), least))
	}
	return all
}

func one[T any](name string, value T, err error) T {
	check(name, err)
	return value
}

type serverWithExtensions struct {
	servers.Server
	availabilityzones.ServerAvailabilityZoneExt
	diskconfig.ServerDiskConfigExt
	extendedserverattributes.ServerAttributesExt
	extendedstatus.ServerExtendedStatusExt
	serverusage.UsageExt
}

func compute(client *gophercloud.ServiceClient, project string) {
	at := " at " + client.Microversion
	pages := servers.ListOpts{Limit: 1, AllTenants: true}
	for _, server := range list("servers"+at, 3, servers.List(client, pages), servers.ExtractServers) {
		var extended serverWithExtensions
		check("server"+at, servers.Get(client, server.ID).ExtractInto(&extended))
		if extended.Server.ID != server.ID || extended.Host == "" || extended.LaunchedAt.IsZero() {
			check("server"+at, fmt.Errorf("not whole: %+v", extended))
		}
		list("addresses"+at, 1, servers.ListAddresses(client, server.ID), func(p pagination.Page) ([]string, error) {
			found, err := servers.ExtractAddresses(p)
			return make([]string, len(found)), err
		})
		list("interfaces"+at, 1, attachinterfaces.List(client, server.ID), attachinterfaces.ExtractInterfaces)
		list("groups of a server"+at, 1, secgroups.ListByServer(client, server.ID), secgroups.ExtractSecurityGroups)
		list("actions"+at, 1, instanceactions.List(client, server.ID, nil), instanceactions.ExtractInstanceActions)
		metadata := servers.Metadata(client, server.ID)
		one("metadata"+at, must(metadata.Extract()), metadata.Err)
	}
	for _, flavor := range list("flavors"+at, 2, flavors.ListDetail(client, flavors.ListOpts{Limit: 1}), flavors.ExtractFlavors) {
		_, err := flavors.Get(client, flavor.ID).Extract()
		check("flavor"+at, err)
		_, err = flavors.ListExtraSpecs(client, flavor.ID).Extract()
		check("extra specs"+at, err)
	}
	for _, pair := range list("keypairs"+at, 1, keypairs.List(client), keypairs.ExtractKeyPairs) {
		_, err := keypairs.Get(client, pair.Name).Extract()
		check("keypair"+at, err)
	}
	_, err := limits.Get(client, limits.GetOpts{}).Extract()
	check("limits"+at, err)
	_, err = quotasets.Get(client, project).Extract()
	check("quota"+at, err)
	_, err = quotasets.GetDetail(client, project).Extract()
	check("quota in detail"+at, err)
	for _, pager := range []pagination.Pager{availabilityzones.List(client), availabilityzones.ListDetail(client)} {
		page, err := pager.AllPages() // a page of zones can't be asked whether it is empty
		check("zones"+at, err)
		_, err = availabilityzones.ExtractAvailabilityZones(page)
		check("zones"+at, err)
	}
	list("services"+at, 1, services.List(client, services.ListOpts{}), services.ExtractServices)
	list("aggregates"+at, 0, aggregates.List(client), aggregates.ExtractAggregates)
	for _, each := range list("hypervisors"+at, 1, hypervisors.List(client), hypervisors.ExtractHypervisors) {
		_, err = hypervisors.Get(client, each.ID).Extract()
		check("hypervisor"+at, err)
	}
	_, err = hypervisors.GetStatistics(client).Extract()
	check("hypervisor statistics"+at, err)
	since := time.Now().Add(-time.Hour)
	list("usage of all"+at, 1, usage.AllTenants(client, usage.AllTenantsOpts{Detailed: true, Start: &since}), usage.ExtractAllTenants)
	check("usage"+at, usage.SingleTenant(client, project, usage.SingleTenantOpts{Start: &since}).EachPage(
		func(p pagination.Page) (bool, error) { _, err := usage.ExtractSingleTenant(p); return true, err }))
}

func must[T any](value T, _ error) T { return value }

func identity(client *gophercloud.ServiceClient, user string) {
	token := tokens.Get(client, client.TokenID)
	_, err := token.Extract()
	check("token", err)
	catalog, err := token.ExtractServiceCatalog()
	check("catalogue", err)
	if len(catalog.Entries) < 4 {
		check("catalogue", fmt.Errorf("%d services", len(catalog.Entries)))
	}
	_, err = token.ExtractRoles()
	check("roles of a token", err)
	_, err = token.ExtractProject()
	check("project of a token", err)
	for _, each := range list("projects", 2, projects.List(client, projects.ListOpts{}), projects.ExtractProjects) {
		_, err = projects.Get(client, each.ID).Extract()
		check("project", err)
	}
	for _, each := range list("users", 2, users.List(client, users.ListOpts{}), users.ExtractUsers) {
		_, err = users.Get(client, each.ID).Extract()
		check("user", err)
	}
	list("projects of a user", 1, users.ListProjects(client, user), projects.ExtractProjects)
	list("groups of a user", 0, users.ListGroups(client, user), groups.ExtractGroups)
	list("roles", 3, roles.List(client, roles.ListOpts{}), roles.ExtractRoles)
	list("assignments", 2, roles.ListAssignments(client, roles.ListAssignmentsOpts{}), roles.ExtractRoleAssignments)
	list("domains", 1, domains.List(client, domains.ListOpts{}), domains.ExtractDomains)
	list("groups", 0, groups.List(client, groups.ListOpts{}), groups.ExtractGroups)
	list("regions", 1, regions.List(client, regions.ListOpts{}), regions.ExtractRegions)
	list("services of the catalogue", 4, identityservices.List(client, identityservices.ListOpts{}), identityservices.ExtractServices)
	list("endpoints", 4, endpoints.List(client, endpoints.ListOpts{}), endpoints.ExtractEndpoints)
	list("credentials", 0, credentials.List(client, credentials.ListOpts{}), credentials.ExtractCredentials)
	list("application credentials", 0, applicationcredentials.List(client, user, nil), applicationcredentials.ExtractApplicationCredentials)
}

func image(client *gophercloud.ServiceClient) {
	for _, each := range list("images", 2, images.List(client, images.ListOpts{Limit: 1}), images.ExtractImages) {
		_, err := images.Get(client, each.ID).Extract()
		check("image", err)
		if each.Visibility == images.ImageVisibilityShared {
			list("members", 1, members.List(client, each.ID), members.ExtractMembers)
		}
	}
}

func network(client *gophercloud.ServiceClient, project string) {
	list("networks", 2, networks.List(client, networks.ListOpts{Limit: 1}), networks.ExtractNetworks)
	list("subnets", 2, subnets.List(client, subnets.ListOpts{Limit: 1}), subnets.ExtractSubnets)
	list("ports", 3, ports.List(client, ports.ListOpts{Limit: 1}), ports.ExtractPorts)
	list("security groups", 2, securitygroups.List(client, securitygroups.ListOpts{Limit: 1}), securitygroups.ExtractGroups)
	list("rules", 2, rules.List(client, rules.ListOpts{Limit: 1}), rules.ExtractRules)
	list("agents", 0, agents.List(client, agents.ListOpts{}), agents.ExtractAgents)
	list("availabilities", 2, networkipavailabilities.List(client, nil), networkipavailabilities.ExtractNetworkIPAvailabilities)
	_, err := networkquotas.Get(client, project).Extract()
	check("network quota", err)
}

func main() {
	options, err := openstack.AuthOptionsFromEnv()
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	provider, err := openstack.AuthenticatedClient(options)
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	region := gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}
	keystone := one("identity", must(openstack.NewIdentityV3(provider, region)), nil)
	token := tokens.Get(keystone, provider.TokenID)
	project, _ := token.ExtractProject()
	user, _ := token.ExtractUser()
	identity(keystone, user.ID)
	glance, err := openstack.NewImageServiceV2(provider, region)
	check("image endpoint", err)
	image(glance)
	neutron, err := openstack.NewNetworkV2(provider, region)
	check("network endpoint", err)
	network(neutron, project.ID)
	nova, err := openstack.NewComputeV2(provider, region)
	check("compute endpoint", err)
	for _, version := range []string{"2.1", "2.26", "2.53", "2.60", "2.73", "2.79", "2.87"} {
		nova.Microversion = version
		compute(nova, project.ID)
	}
	if failures > 0 {
		os.Exit(1)
	}
}
