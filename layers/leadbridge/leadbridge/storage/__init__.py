"""The DynamoDB table: its items and keys, and one repository per thing that is stored."""
