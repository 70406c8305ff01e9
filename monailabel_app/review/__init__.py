"""What reviewers decide, and which case comes next."""
