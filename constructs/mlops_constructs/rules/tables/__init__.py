"""Tables made from AWS's own models, committed so that checking needs neither model."""
