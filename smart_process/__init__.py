"""The domain: CRM schema and provisioning, facts and projections, rules, outcomes, funnel, messages, sync."""
